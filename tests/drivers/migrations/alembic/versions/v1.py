"""The first tables, with rows."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    plans = op.create_table("plans", sa.Column("name", sa.Text, primary_key=True))
    accounts = op.create_table(
        "accounts",
        sa.Column("tenant_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(40)),
    )
    op.bulk_insert(plans, [{"name": "free"}, {"name": "team"}])
    op.bulk_insert(accounts, [{"tenant_id": tenant, "account_id": tenant, "name": f"a{tenant}"} for tenant in range(1, 21)])


def downgrade():
    op.drop_table("accounts")
    op.drop_table("plans")
