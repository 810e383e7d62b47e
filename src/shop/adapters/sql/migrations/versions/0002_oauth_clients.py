"""Programs that people let into their account."""

import sqlalchemy as sa
from alembic import op

from shop.adapters.sql.types import Digest, Id, Json, Key, Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_clients",
        sa.Column("id", Key(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("redirect_uris", Json(), nullable=False),
        sa.Column("scope", Key(1000), nullable=False),
        sa.Column("secret_hash", Digest, nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_clients")),
    )
    op.create_table(
        "oauth_codes",
        sa.Column("hash", Digest, nullable=False),
        sa.Column("client_id", Key(64), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("granted_in", Id(), nullable=False),
        sa.Column("redirect_uri", Key(1000), nullable=False),
        sa.Column("challenge", Key(64), nullable=False),
        sa.Column("scope", Key(1000), nullable=False),
        sa.Column("nonce", Key(500), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("session_id", Id(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_codes_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_oauth_codes_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_codes")),
    )
    op.create_index("ix_oauth_codes_expires_at", "oauth_codes", ["expires_at"])
    op.create_table(
        "revoked_tokens",
        sa.Column("id", Key(64), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revoked_tokens")),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signing_keys")),
    )
    op.add_column("sessions", sa.Column("scope", Key(1000), nullable=False, server_default="shop"))


def downgrade() -> None:
    op.drop_column("sessions", "scope")
    op.drop_table("signing_keys")
    op.drop_table("revoked_tokens")
    op.drop_table("oauth_codes")
    op.drop_table("oauth_clients")
