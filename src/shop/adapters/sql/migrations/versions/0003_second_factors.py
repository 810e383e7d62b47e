"""Second factors of a sign-in."""

import sqlalchemy as sa
from alembic import op

from shop.adapters.sql.types import Bytes, Digest, Id, Json, Key, Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "second_factors",
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("totp", Bytes(255), nullable=True),
        sa.Column("totp_since", Utc(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("pending_totp", Bytes(255), nullable=True),
        sa.Column("pending_challenge", Bytes(64), nullable=True),
        sa.Column("pending_until", Utc(), nullable=True),
        sa.Column("recovery", Json(), nullable=False),
        sa.Column("passkeys", Json(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("wait_until", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_second_factors_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "sign_in_tickets",
        sa.Column("hash", Digest, nullable=False),
        sa.Column("user_id", Id(), nullable=True),
        sa.Column("password_mark", Digest, nullable=True),
        sa.Column("first", Key(64), nullable=False),
        sa.Column("challenge", Bytes(64), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("used_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_sign_in_tickets_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sign_in_tickets")),
    )
    op.create_index(op.f("ix_sign_in_tickets_expires_at"), "sign_in_tickets", ["expires_at"])
    op.create_index("ix_sign_in_tickets_user_id", "sign_in_tickets", ["user_id"])
    op.add_column("sessions", sa.Column("amr", Key(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("sessions", "amr")
    op.drop_table("sign_in_tickets")
    op.drop_table("second_factors")
