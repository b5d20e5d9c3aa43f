"""The tables as the application has them at the end."""

import sqlalchemy as sa

metadata = sa.MetaData()

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("price", sa.Numeric(10, 2), nullable=False, server_default="0"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("tenant_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("plan", sa.Text, sa.ForeignKey("plans.name", name="accounts_plan"), nullable=True),
    sa.Column("mood", sa.Enum("sad", "glad", name="mood"), nullable=False, server_default="glad"),
    sa.CheckConstraint("length(name) > 0", name="accounts_named"),
    sa.UniqueConstraint("tenant_id", "email", name="accounts_email"),
    sa.Index("accounts_plan_key", "plan"),
)
