"""What no question of SQLite's needs is no longer kept with each order."""

import sqlalchemy as sa
from alembic import op

revision = "0009since0007"
down_revision = "0008since0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("ix_orders_email", table_name="orders")
    op.drop_index("ix_orders_user_id", table_name="orders")
    op.create_index(
        "ix_orders_user_id",
        "orders",
        ["user_id", "id"],
        unique=False,
        sqlite_where=sa.text("user_id IS NOT NULL"),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("ix_orders_user_id", table_name="orders")
    op.create_index("ix_orders_user_id", "orders", ["user_id", "id"], unique=False)
    op.create_index("ix_orders_email", "orders", ["email"], unique=False)
