"""The first schema."""

import sqlalchemy as sa
from alembic import op

from shop.adapters.sql.types import Blob, Digest, Id, Json, Key, Long, Serial, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "carts",
        sa.Column("owner", Key(80), nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("lines", Json(), nullable=False),
        sa.Column("coupon", sa.String(length=64), nullable=True),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_carts")),
    )
    op.create_index(op.f("ix_carts_updated_at"), "carts", ["updated_at"], unique=False)
    op.create_table(
        "catalog_changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_changes")),
    )
    op.create_table(
        "categories",
        sa.Column("id", Id(), nullable=False),
        sa.Column("parent_id", Id(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("path", Key(700), nullable=False),
        sa.Column("source_key", Digest, nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["categories.id"], name=op.f("fk_categories_parent_id_categories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("path", name=op.f("uq_categories_path")),
        sa.UniqueConstraint("source_key", name=op.f("uq_categories_source_key")),
    )
    op.create_table(
        "cursors",
        sa.Column("consumer", Key(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_cursors")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("consumer", Key(64), nullable=False),
        sa.Column("event_id", Id(), nullable=False),
        sa.Column("topic", Key(40), nullable=False),
        sa.Column("key", Id(), nullable=False),
        sa.Column("kind", Key(80), nullable=False),
        sa.Column("body", Blob, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_dead_letters")),
    )
    op.create_table(
        "emails",
        sa.Column("id", Id(), nullable=False),
        sa.Column("dedupe", Key(120), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("text", Long, nullable=False),
        sa.Column("html", Long, nullable=False),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("subject_id", Id(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emails")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_emails_dedupe")),
    )
    op.create_index(op.f("ix_emails_next_try_at"), "emails", ["next_try_at"], unique=False)
    op.create_index(op.f("ix_emails_subject_id"), "emails", ["subject_id"], unique=False)
    op.create_table(
        "event_log",
        sa.Column("seq", Serial, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("topic", Key(40), nullable=False),
        sa.Column("key", Id(), nullable=False),
        sa.Column("kind", Key(80), nullable=False),
        sa.Column("body", Blob, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event_log")),
        sa.UniqueConstraint("id", name=op.f("uq_event_log_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("key", Key(255), nullable=False),
        sa.Column("caller", Key(80), nullable=False),
        sa.Column("digest", Digest, nullable=False),
        sa.Column("order_id", Id(), nullable=True),
        sa.Column("answer", Blob, nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("key", "caller", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_at"), "idempotency", ["at"], unique=False)
    op.create_table(
        "imports",
        sa.Column("id", Id(), nullable=False),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", Key(64), nullable=False),
        sa.Column("event_id", Id(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "invoice_counters",
        sa.Column("series", Key(16), nullable=False),
        sa.Column("year", Key(8), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "year", name=op.f("pk_invoice_counters")),
    )
    op.create_table(
        "leases",
        sa.Column("name", Key(64), nullable=False),
        sa.Column("holder", Key(64), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "orders",
        sa.Column("id", Id(), nullable=False),
        sa.Column("number", Key(24), nullable=False),
        sa.Column("user_id", Id(), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("payment_status", Key(20), nullable=False),
        sa.Column("payment_method", Key(8), nullable=False),
        sa.Column("payment_id", Id(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("invoice_number", Key(16), nullable=True),
        sa.Column("hold_until", Utc(), nullable=True),
        sa.Column("placed_at", Utc(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("total >= 0 AND refunded >= 0", name=op.f("ck_orders_money")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("invoice_number", name=op.f("uq_orders_invoice_number")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    op.create_index(
        "ix_orders_email", "orders", ["email"], unique=False, mysql_length={"email": 64}
    )
    op.create_index(op.f("ix_orders_hold_until"), "orders", ["hold_until"], unique=False)
    op.create_index("ix_orders_status", "orders", ["status", "id"], unique=False)
    op.create_index("ix_orders_user_id", "orders", ["user_id", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("seq", Serial, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("topic", Key(40), nullable=False),
        sa.Column("key", Id(), nullable=False),
        sa.Column("kind", Key(80), nullable=False),
        sa.Column("body", Blob, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
    )
    op.create_table(
        "sandbox_links",
        sa.Column("id", Key(40), nullable=False),
        sa.Column("reference", Key(40), nullable=False),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("payment_id", Key(40), nullable=True),
        sa.Column("document", Json(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_links")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_sandbox_links_payment_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_sandbox_links_reference")),
    )
    op.create_table(
        "sandbox_refunds",
        sa.Column("id", Key(40), nullable=False),
        sa.Column("key", Key(64), nullable=False),
        sa.Column("payment_id", Key(40), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_refunds")),
        sa.UniqueConstraint("key", name=op.f("uq_sandbox_refunds_key")),
    )
    op.create_index(
        op.f("ix_sandbox_refunds_payment_id"), "sandbox_refunds", ["payment_id"], unique=False
    )
    op.create_table(
        "sandbox_webhooks",
        sa.Column("id", Key(40), nullable=False),
        sa.Column("body", Blob, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_webhooks")),
    )
    op.create_index(
        op.f("ix_sandbox_webhooks_next_try_at"), "sandbox_webhooks", ["next_try_at"], unique=False
    )
    op.create_table(
        "secrets",
        sa.Column("name", Key(64), nullable=False),
        sa.Column("value", Blob, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "users",
        sa.Column("id", Id(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", Key(400), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=32), nullable=True),
        sa.Column("password_hash", Key(255), nullable=False),
        sa.Column("verified_at", Utc(), nullable=True),
        sa.Column("pending_email", sa.String(length=320), nullable=True),
        sa.Column("reset_question", sa.String(length=200), nullable=True),
        sa.Column("reset_answer_hash", Key(255), nullable=True),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", Key(64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index(op.f("ix_webhook_events_at"), "webhook_events", ["at"], unique=False)
    op.create_table(
        "addresses",
        sa.Column("id", Id(), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("address", Json(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_addresses_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
    )
    op.create_index("ix_addresses_user_id", "addresses", ["user_id"], unique=False)
    op.create_table(
        "mail_tokens",
        sa.Column("hash", Digest, nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("purpose", Key(16), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("used_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_mail_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_mail_tokens")),
    )
    op.create_index(op.f("ix_mail_tokens_expires_at"), "mail_tokens", ["expires_at"], unique=False)
    op.create_index("ix_mail_tokens_user_id", "mail_tokens", ["user_id", "purpose"], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("order_id", Id(), nullable=False),
        sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("variant_id", Id(), nullable=False),
        sa.Column("product_id", Id(), nullable=False),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("variant_title", sa.String(length=512), nullable=False),
        sa.Column("sku", sa.String(length=255), nullable=False),
        sa.Column("hsn", Key(16), nullable=False),
        sa.Column("tax_basis_points", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("discount", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_lines_quantity")),
        sa.CheckConstraint(
            "unit_price >= 0 AND discount >= 0 AND tax >= 0", name=op.f("ck_order_lines_money")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_lines_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("order_id", "line", name=op.f("pk_order_lines")),
    )
    op.create_table(
        "payments",
        sa.Column("id", Id(), nullable=False),
        sa.Column("order_id", Id(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("method", Key(8), nullable=False),
        sa.Column("status", Key(20), nullable=False),
        sa.Column("link_id", Key(40), nullable=True),
        sa.Column("link_url", sa.String(length=1024), nullable=True),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("provider_payment_id", Key(64), nullable=True),
        sa.Column("provider_method", sa.String(length=32), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("paid_at", Utc(), nullable=True),
        sa.Column("refunding", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("check_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "amount >= 0 AND refunded >= 0 AND refunding >= refunded",
            name=op.f("ck_payments_money"),
        ),
        sa.CheckConstraint("refunding <= amount", name=op.f("ck_payments_refunds")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_payments_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("provider_payment_id", name=op.f("uq_payments_provider_payment_id")),
    )
    op.create_index(op.f("ix_payments_check_at"), "payments", ["check_at"], unique=False)
    op.create_index(op.f("ix_payments_order_id"), "payments", ["order_id"], unique=False)
    op.create_index("ix_payments_status", "payments", ["status", "created_at"], unique=False)
    op.create_table(
        "products",
        sa.Column("id", Id(), nullable=False),
        sa.Column("slug", Key(255), nullable=False),
        sa.Column("source_key", Digest, nullable=True),
        sa.Column("source_digest", Digest, nullable=True),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("brand", sa.String(length=255), nullable=False),
        sa.Column("search_text", Long, nullable=False),
        sa.Column("price_min", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("rating_average", sa.Integer(), nullable=False),
        sa.Column("rating_count", sa.Integer(), nullable=False),
        sa.Column("category_id", Id(), nullable=True),
        sa.Column("hsn", Key(16), nullable=False),
        sa.Column("tax_basis_points", sa.Integer(), nullable=False),
        sa.Column("image", sa.String(length=2048), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("card", Blob, nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_products_category_id_categories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("slug", name=op.f("uq_products_slug")),
        sa.UniqueConstraint("source_key", name=op.f("uq_products_source_key")),
    )
    op.create_index("ix_products_brand", "products", ["brand"], unique=False)
    op.create_index("ix_products_newest", "products", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_products_price", "products", ["status", "price_min", "id"], unique=False)
    op.create_index(
        "ix_products_rating", "products", ["status", "rating_average", "id"], unique=False
    )
    op.create_index(
        "ix_products_title",
        "products",
        ["status", "title", "id"],
        unique=False,
        mysql_length={"title": 64},
    )
    op.create_table(
        "sessions",
        sa.Column("id", Id(), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("refresh_hash", Digest, nullable=False),
        sa.Column("previous_hash", Digest, nullable=True),
        sa.Column("rotated_at", Utc(), nullable=True),
        sa.Column("client_id", Key(64), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("last_used_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("refresh_hash", name=op.f("uq_sessions_refresh_hash")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_previous_hash"), "sessions", ["previous_hash"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_table(
        "product_categories",
        sa.Column("category_id", Id(), nullable=False),
        sa.Column("product_id", Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
            name=op.f("fk_product_categories_category_id_categories"),
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name=op.f("fk_product_categories_product_id_products"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("category_id", "product_id", name=op.f("pk_product_categories")),
    )
    op.create_index(
        "ix_product_categories_product_id", "product_categories", ["product_id"], unique=False
    )
    op.create_table(
        "product_tags",
        sa.Column("tag", sa.String(length=191), nullable=False),
        sa.Column("product_id", Id(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name=op.f("fk_product_tags_product_id_products"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tag", "product_id", name=op.f("pk_product_tags")),
    )
    op.create_index("ix_product_tags_product_id", "product_tags", ["product_id"], unique=False)
    op.create_table(
        "refunds",
        sa.Column("id", Id(), nullable=False),
        sa.Column("payment_id", Id(), nullable=False),
        sa.Column("order_id", Id(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("status", Key(16), nullable=False),
        sa.Column("provider_refund_id", Key(64), nullable=True),
        sa.Column("requested_at", Utc(), nullable=False),
        sa.Column("processed_at", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_money")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("provider_refund_id", name=op.f("uq_refunds_provider_refund_id")),
    )
    op.create_index(op.f("ix_refunds_next_try_at"), "refunds", ["next_try_at"], unique=False)
    op.create_index(op.f("ix_refunds_order_id"), "refunds", ["order_id"], unique=False)
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", Id(), nullable=False),
        sa.Column("product_id", Id(), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", Long, nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_reviews_product_id_products")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("product_id", "user_id", name=op.f("uq_reviews_product_id_user_id")),
    )
    op.create_table(
        "variants",
        sa.Column("id", Id(), nullable=False),
        sa.Column("product_id", Id(), nullable=False),
        sa.Column("variant_key", Digest, nullable=False),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("sku", sa.String(length=255), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.Column("compare_at", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held >= 0 AND on_hand >= held", name=op.f("ck_variants_stock")),
        sa.CheckConstraint("price IS NULL OR price >= 0", name=op.f("ck_variants_price")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_variants_product_id_products")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variants")),
        sa.UniqueConstraint(
            "product_id", "variant_key", name=op.f("uq_variants_product_id_variant_key")
        ),
    )
    op.create_index("ix_variants_sku", "variants", ["sku"], unique=False, mysql_length={"sku": 64})
    op.create_table(
        "stock_moves",
        sa.Column("id", Id(), nullable=False),
        sa.Column("variant_id", Id(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("kind", Key(16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("order_id", Id(), nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_stock_moves_variant_id_variants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_moves")),
    )
    op.create_index(op.f("ix_stock_moves_order_id"), "stock_moves", ["order_id"], unique=False)
    op.create_index("ix_stock_moves_variant_id", "stock_moves", ["variant_id", "id"], unique=False)
    counts = sa.table("catalog_changes", sa.column("id"), sa.column("count"))
    op.bulk_insert(counts, [{"id": 1, "count": 0}])


def downgrade() -> None:
    op.drop_table("stock_moves")
    op.drop_table("variants")
    op.drop_table("reviews")
    op.drop_table("refunds")
    op.drop_table("product_tags")
    op.drop_table("product_categories")
    op.drop_table("sessions")
    op.drop_table("products")
    op.drop_table("payments")
    op.drop_table("order_lines")
    op.drop_table("mail_tokens")
    op.drop_table("addresses")
    op.drop_table("webhook_events")
    op.drop_table("users")
    op.drop_table("secrets")
    op.drop_table("sandbox_webhooks")
    op.drop_table("sandbox_refunds")
    op.drop_table("sandbox_links")
    op.drop_table("outbox")
    op.drop_table("orders")
    op.drop_table("leases")
    op.drop_table("invoice_counters")
    op.drop_table("inbox")
    op.drop_table("imports")
    op.drop_table("idempotency")
    op.drop_table("event_log")
    op.drop_table("emails")
    op.drop_table("dead_letters")
    op.drop_table("cursors")
    op.drop_table("categories")
    op.drop_table("catalog_changes")
    op.drop_table("carts")
