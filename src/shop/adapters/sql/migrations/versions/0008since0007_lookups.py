"""Payments without a link, and mails in one state, are found without going through the others."""

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
        ["status", "method", "created_at"],
        unique=False,
        sqlite_where=sa.text("link_id IS NULL"),
    )
    op.drop_index("ix_payments_status", table_name="payments")
    op.create_index("ix_emails_status", "emails", ["status", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_emails_status", table_name="emails")
    op.create_index("ix_payments_status", "payments", ["status", "created_at"], unique=False)
    op.drop_index("ix_payments_unlinked", table_name="payments")
