"""The first schema."""

from alembic import op

from shop.adapters.sql.tables import catalog_changes, metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.bulk_insert(catalog_changes, [{"id": 1, "count": 0}])


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
