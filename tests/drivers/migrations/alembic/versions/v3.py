"""An index that is made beside the application's writes, and rows by what they say."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade():
    bind = op.get_bind()
    tenants = bind.execute(sa.text("SELECT tenant_id FROM accounts WHERE name LIKE 'A1%' ORDER BY 1")).scalars().all()
    bind.execute(sa.text("UPDATE accounts SET plan = 'team' WHERE tenant_id = ANY (:tenants)"), {"tenants": tenants})
    with op.get_context().autocommit_block():
        op.create_index("accounts_plan_key", "accounts", ["plan"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("accounts_plan_key", postgresql_concurrently=True)
