"""What is looked for often is found without going through all the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0008since0007"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_payments_unlinked",
        "payments",
        ["status", "method", "link_id", "created_at"],
        unique=False,
        sqlite_where=sa.text("link_id IS NULL"),
        mysql_length={"link_id": 1},
    )
    op.drop_index("ix_payments_status", table_name="payments")
    op.create_index("ix_emails_status", "emails", ["status", "id"], unique=False)
    # Older code raises all rows together, so edits are noticed from there as well.
    counts = sa.table("catalog_changes", sa.column("id"), sa.column("count"))
    op.bulk_insert(counts, [{"id": 2, "count": 0}])


def downgrade() -> None:
    op.execute("DELETE FROM catalog_changes WHERE id = 2")
    op.drop_index("ix_emails_status", table_name="emails")
    op.create_index("ix_payments_status", "payments", ["status", "created_at"], unique=False)
    op.drop_index("ix_payments_unlinked", table_name="payments")
