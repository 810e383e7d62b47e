"""Social profiles that sign in to an account."""

import sqlalchemy as sa
from alembic import op

from shop.adapters.sql.types import Digest, Id, Key, Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "linked_profiles",
        sa.Column("id", Id(), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("provider", Key(32), nullable=False),
        sa.Column("issuer", Key(255), nullable=False),
        sa.Column("subject", Key(255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("linked_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_linked_profiles_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linked_profiles")),
        sa.UniqueConstraint("subject", "issuer", name=op.f("uq_linked_profiles_subject_issuer")),
    )
    op.create_index(op.f("ix_linked_profiles_user_id"), "linked_profiles", ["user_id"])
    op.create_table(
        "spent_states",
        sa.Column("hash", Digest, nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_spent_states")),
    )
    op.create_index(op.f("ix_spent_states_expires_at"), "spent_states", ["expires_at"])


def downgrade() -> None:
    op.drop_table("spent_states")
    op.drop_table("linked_profiles")
