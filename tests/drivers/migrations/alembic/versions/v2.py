"""Columns, a type, keys and checks, and rows that are brought up to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision, down_revision = "0002", "0001"
mood = postgresql.ENUM("sad", "glad", name="mood", create_type=False)


def upgrade():
    mood.create(op.get_bind(), checkfirst=True)
    op.add_column("plans", sa.Column("price", sa.Numeric(10, 2), nullable=False, server_default="0"))
    op.add_column("accounts", sa.Column("email", sa.Text))
    op.add_column("accounts", sa.Column("plan", sa.Text))
    op.add_column("accounts", sa.Column("mood", mood, nullable=False, server_default="glad"))
    op.execute("UPDATE accounts SET plan = 'free', email = name || '@example.com', name = upper(name)")
    op.execute("UPDATE plans SET price = 9.99 WHERE name = 'team'")
    op.alter_column("accounts", "name", type_=sa.String(100), existing_type=sa.String(40), nullable=False)
    op.create_foreign_key("accounts_plan", "accounts", "plans", ["plan"], ["name"])
    op.create_check_constraint("accounts_named", "accounts", "length(name) > 0")
    op.create_unique_constraint("accounts_email", "accounts", ["tenant_id", "email"])


def downgrade():
    op.drop_constraint("accounts_email", "accounts")
    op.drop_constraint("accounts_named", "accounts")
    op.drop_constraint("accounts_plan", "accounts")
    op.alter_column("accounts", "name", type_=sa.String(40), existing_type=sa.String(100), nullable=True)
    for column in ["mood", "plan", "email"]:
        op.drop_column("accounts", column)
    op.drop_column("plans", "price")
    mood.drop(op.get_bind(), checkfirst=True)
