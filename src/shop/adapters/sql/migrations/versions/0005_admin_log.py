"""What staff did."""

import sqlalchemy as sa
from alembic import op

from shop.adapters.sql.types import Id, Key, Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admin_log",
        sa.Column("id", Id(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("user_id", Id(), nullable=True),
        sa.Column("action", Key(64), nullable=False),
        sa.Column("object_id", Key(64), nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("request_id", Key(64), nullable=False),
        sa.Column("address", Key(45), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_log")),
    )
    op.create_index("ix_admin_log_at", "admin_log", ["at"])
    op.create_index("ix_admin_log_user_id", "admin_log", ["user_id", "id"])
    op.create_index("ix_admin_log_object_id", "admin_log", ["object_id", "id"])


def downgrade() -> None:
    op.drop_table("admin_log")
