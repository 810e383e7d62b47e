"""The schema, one for every database."""

import sqlalchemy as sa

from shop.adapters.sql.types import Blob, Bytes, Digest, Id, Json, Key, Long, Serial, Utc

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False, default=0)


# --- users -------------------------------------------------------------------------------------

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("email", sa.String(320), nullable=False),
    sa.Column("email_key", Key(400), nullable=False, unique=True),  # normalised, IDN in ASCII
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("contact", sa.String(32), nullable=True),
    sa.Column("password_hash", Key(255), nullable=False),  # empty: none
    sa.Column("verified_at", Utc, nullable=True),
    sa.Column("pending_email", sa.String(320), nullable=True),
    sa.Column("reset_question", sa.String(200), nullable=True),
    sa.Column("reset_answer_hash", Key(255), nullable=True),
    sa.Column("roles", Json, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    _version(),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("refresh_hash", Digest, nullable=False, unique=True),
    sa.Column("previous_hash", Digest, nullable=True, index=True),
    sa.Column("rotated_at", Utc, nullable=True),
    sa.Column("client_id", Key(64), nullable=False),
    sa.Column("scope", Key(1000), nullable=False, server_default="shop"),
    sa.Column("device", sa.String(200), nullable=False),
    sa.Column("amr", Key(64), nullable=False, server_default=""),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("last_used_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("ended_at", Utc, nullable=True),
    _version(),
    sa.Index("ix_sessions_user_id", "user_id"),
)
mail_tokens = sa.Table(
    "mail_tokens",
    metadata,
    sa.Column("hash", Digest, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("purpose", Key(16), nullable=False),
    sa.Column("email", sa.String(320), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("used_at", Utc, nullable=True),
    sa.Index("ix_mail_tokens_user_id", "user_id", "purpose"),
)
second_factors = sa.Table(
    "second_factors",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("totp", Bytes(255), nullable=True),  # sealed
    sa.Column("totp_since", Utc, nullable=True),
    sa.Column("totp_step", sa.BigInteger, nullable=False),
    sa.Column("pending_totp", Bytes(255), nullable=True),  # sealed
    sa.Column("pending_challenge", Bytes(64), nullable=True),
    sa.Column("pending_until", Utc, nullable=True),
    sa.Column("recovery", Json, nullable=False),  # SHA-256 of each unused code
    sa.Column("passkeys", Json, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("wait_until", Utc, nullable=True),
    _version(),
)
sign_in_tickets = sa.Table(
    "sign_in_tickets",
    metadata,
    sa.Column("hash", Digest, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    sa.Column("password_mark", Digest, nullable=True),
    sa.Column("first", Key(64), nullable=False),
    sa.Column("challenge", Bytes(64), nullable=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("used_at", Utc, nullable=True),
    _version(),
    sa.Index("ix_sign_in_tickets_user_id", "user_id"),
)
addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("address", Json, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    _version(),
    sa.Index("ix_addresses_user_id", "user_id"),
)

# --- programs that people let in ---------------------------------------------------------------

oauth_clients = sa.Table(
    "oauth_clients",
    metadata,
    sa.Column("id", Key(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("redirect_uris", Json, nullable=False),
    sa.Column("scope", Key(1000), nullable=False),
    sa.Column("secret_hash", Digest, nullable=True),
    sa.Column("created_at", Utc, nullable=False),
)
oauth_codes = sa.Table(
    "oauth_codes",
    metadata,
    sa.Column("hash", Digest, primary_key=True),
    sa.Column(
        "client_id", Key(64), sa.ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("granted_in", Id, nullable=False),
    sa.Column("redirect_uri", Key(1000), nullable=False),
    sa.Column("challenge", Key(64), nullable=False),
    sa.Column("scope", Key(1000), nullable=False),
    sa.Column("nonce", Key(500), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("session_id", Id, nullable=True),
)
revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("id", Key(64), primary_key=True),
    sa.Column("expires_at", Utc, nullable=False, index=True),
)
signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("made_at", Utc, nullable=False),
)

# --- catalogue ---------------------------------------------------------------------------------

categories = sa.Table(
    "categories",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("parent_id", Id, sa.ForeignKey("categories.id"), nullable=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("slug", sa.String(200), nullable=False),
    sa.Column("path", Key(700), nullable=False, unique=True),  # slugs from the root: home/kitchen
    sa.Column("source_key", Digest, nullable=True, unique=True),  # SHA-256 of the path
    sa.Column("position", sa.Integer, nullable=False, default=0),
    _version(),
)
products = sa.Table(
    "products",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("slug", Key(255), nullable=False, unique=True),
    sa.Column("source_key", Digest, nullable=True, unique=True),  # SHA-256
    sa.Column("source_digest", Digest, nullable=True),  # of what the source said last
    sa.Column("status", Key(16), nullable=False),
    sa.Column("title", sa.String(512), nullable=False),
    sa.Column("brand", sa.String(255), nullable=False),
    sa.Column("search_text", Long, nullable=False),  # folded title, brand, categories, tags, SKUs
    sa.Column("price_min", sa.BigInteger, nullable=True),  # of the cheapest variant on sale
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("rating_average", sa.Integer, nullable=False, default=0),  # hundredths of a star
    sa.Column("rating_count", sa.Integer, nullable=False, default=0),
    sa.Column("category_id", Id, sa.ForeignKey("categories.id"), nullable=True),  # shown under
    sa.Column("hsn", Key(16), nullable=False),
    sa.Column("tax_basis_points", sa.Integer, nullable=False),
    sa.Column("image", sa.String(2048), nullable=False),
    sa.Column("document", Json, nullable=False),  # what only the product page shows
    sa.Column("card", Blob, nullable=False),  # JSON of a list item, without price and stock
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    _version(),
    sa.Index("ix_products_newest", "status", "created_at", "id"),
    sa.Index("ix_products_price", "status", "price_min", "id"),
    sa.Index("ix_products_rating", "status", "rating_average", "id"),
    sa.Index("ix_products_title", "status", "title", "id", mysql_length={"title": 64}),
    sa.Index("ix_products_brand", "brand"),
)
product_categories = sa.Table(
    "product_categories",
    metadata,
    sa.Column("category_id", Id, sa.ForeignKey("categories.id"), primary_key=True),
    sa.Column("product_id", Id, sa.ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_product_categories_product_id", "product_id"),
)
product_tags = sa.Table(
    "product_tags",
    metadata,
    sa.Column("tag", sa.String(191), primary_key=True),
    sa.Column("product_id", Id, sa.ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_product_tags_product_id", "product_id"),
)
variants = sa.Table(
    "variants",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("product_id", Id, sa.ForeignKey("products.id"), nullable=False),
    sa.Column("variant_key", Digest, nullable=False),  # SHA-256 of its source key
    sa.Column("title", sa.String(512), nullable=False),
    sa.Column("sku", sa.String(255), nullable=False),
    sa.Column("price", sa.BigInteger, nullable=True),
    sa.Column("compare_at", sa.BigInteger, nullable=True),
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("on_sale", sa.Boolean, nullable=False),  # published, priced, not withdrawn
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("document", Json, nullable=False),  # key, options, barcode, weight, image
    sa.Column("on_hand", sa.BigInteger, nullable=False, default=0),
    sa.Column("held", sa.BigInteger, nullable=False, default=0),
    sa.UniqueConstraint("product_id", "variant_key"),
    sa.Index("ix_variants_sku", "sku", mysql_length={"sku": 64}),
    sa.CheckConstraint("price IS NULL OR price >= 0", name="price"),
    sa.CheckConstraint("held >= 0 AND on_hand >= held", name="stock"),
)
stock_moves = sa.Table(
    "stock_moves",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("variant_id", Id, sa.ForeignKey("variants.id"), nullable=False),
    sa.Column("delta", sa.BigInteger, nullable=False),
    sa.Column("kind", Key(16), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("order_id", Id, nullable=True, index=True),
    sa.Column("at", Utc, nullable=False),
    sa.Index("ix_stock_moves_variant_id", "variant_id", "id"),
)
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("product_id", Id, sa.ForeignKey("products.id"), nullable=False),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("rating", sa.SmallInteger, nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("body", Long, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.UniqueConstraint("product_id", "user_id"),
    sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
)
imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("status", Key(16), nullable=False),
    sa.Column("document", Json, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    _version(),
)
#: Row 1 counts every change, row 2 those of products and categories but not of stock. Every process
#: reads them often, and drops its cached answers when they move.
catalog_changes = sa.Table(
    "catalog_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
)

# --- carts and orders --------------------------------------------------------------------------

carts = sa.Table(
    "carts",
    metadata,
    sa.Column("owner", Key(80), primary_key=True),
    sa.Column("id", Id, nullable=False),
    sa.Column("lines", Json, nullable=False),
    sa.Column("coupon", sa.String(64), nullable=True),
    sa.Column("updated_at", Utc, nullable=False, index=True),
    _version(),
)
idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", Key(255), primary_key=True),  # the looked-up column first
    sa.Column("caller", Key(80), primary_key=True),
    sa.Column("digest", Digest, nullable=False),
    sa.Column("order_id", Id, nullable=True),
    sa.Column("answer", Blob, nullable=True),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("at", Utc, nullable=False, index=True),
)
orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("number", Key(24), nullable=False, unique=True),
    sa.Column("user_id", Id, nullable=True),
    sa.Column("email", sa.String(320), nullable=False),
    sa.Column("status", Key(16), nullable=False),
    sa.Column("payment_status", Key(20), nullable=False),
    sa.Column("payment_method", Key(8), nullable=False),
    sa.Column("payment_id", Id, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    sa.Column("invoice_number", Key(16), nullable=True, unique=True),
    sa.Column("hold_until", Utc, nullable=True, index=True),
    sa.Column("placed_at", Utc, nullable=False),
    sa.Column("document", Json, nullable=False),  # addresses, breakdown, tracking, timeline
    _version(),
    # Most orders of many a shop are guests', of which SQLite keeps nothing here.
    sa.Index("ix_orders_user_id", "user_id", "id", sqlite_where=sa.text("user_id IS NOT NULL")),
    sa.Index("ix_orders_status", "status", "id"),
    # For LIKE, which in SQLite minds no case and so can use no index.
    sa.Index("ix_orders_email", "email", mysql_length={"email": 64}).ddl_if(dialect="mysql"),
    sa.CheckConstraint("total >= 0 AND refunded >= 0", name="money"),
)
order_lines = sa.Table(
    "order_lines",
    metadata,
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("variant_id", Id, nullable=False),
    sa.Column("product_id", Id, nullable=False),
    sa.Column("title", sa.String(512), nullable=False),
    sa.Column("variant_title", sa.String(512), nullable=False),
    sa.Column("sku", sa.String(255), nullable=False),
    sa.Column("hsn", Key(16), nullable=False),
    sa.Column("tax_basis_points", sa.Integer, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price", sa.BigInteger, nullable=False),
    sa.Column("discount", sa.BigInteger, nullable=False),
    sa.Column("tax", sa.BigInteger, nullable=False),
    sa.CheckConstraint("quantity > 0", name="quantity"),
    sa.CheckConstraint("unit_price >= 0 AND discount >= 0 AND tax >= 0", name="money"),
)
invoice_counters = sa.Table(
    "invoice_counters",
    metadata,
    sa.Column("series", Key(16), primary_key=True),
    sa.Column("year", Key(8), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)

# --- payments ----------------------------------------------------------------------------------

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), nullable=False, index=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("method", Key(8), nullable=False),
    sa.Column("status", Key(20), nullable=False),
    sa.Column("link_id", Key(40), nullable=True),
    sa.Column("link_url", sa.String(1024), nullable=True),
    sa.Column("expires_at", Utc, nullable=True),
    sa.Column("provider_payment_id", Key(64), nullable=True, unique=True),
    sa.Column("provider_method", sa.String(32), nullable=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("paid_at", Utc, nullable=True),
    sa.Column("refunding", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    sa.Column("check_at", Utc, nullable=True, index=True),  # when to ask the gateway
    _version(),
    sa.CheckConstraint("amount >= 0 AND refunded >= 0 AND refunding >= refunded", name="money"),
    sa.CheckConstraint("refunding <= amount", name="refunds"),
    # For those without a link. Of the others SQLite keeps nothing, and the servers one letter,
    # which they all share: so their order is that of time.
    sa.Index(
        "ix_payments_unlinked",
        "status",
        "method",
        "link_id",
        "created_at",
        sqlite_where=sa.text("link_id IS NULL"),
        mysql_length={"link_id": 1},
    ),
)
refunds = sa.Table(
    "refunds",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("payment_id", Id, sa.ForeignKey("payments.id"), nullable=False, index=True),
    sa.Column("order_id", Id, nullable=False, index=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("status", Key(16), nullable=False),
    sa.Column("provider_refund_id", Key(64), nullable=True, unique=True),
    sa.Column("requested_at", Utc, nullable=False),
    sa.Column("processed_at", Utc, nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", Utc, nullable=True, index=True),
    sa.Column("error", sa.String(500), nullable=True),
    _version(),
    sa.CheckConstraint("amount > 0", name="money"),
)
webhook_events = sa.Table(
    "webhook_events",
    metadata,
    sa.Column("id", Key(64), primary_key=True),
    sa.Column("at", Utc, nullable=False, index=True),
)
#: The sandbox gateway's own books; the shop never reads them.
sandbox_links = sa.Table(
    "sandbox_links",
    metadata,
    sa.Column("id", Key(40), primary_key=True),
    sa.Column("reference", Key(40), nullable=False, unique=True),
    sa.Column("status", Key(16), nullable=False),
    sa.Column("payment_id", Key(40), nullable=True, unique=True),
    sa.Column("document", Json, nullable=False),
    _version(),
)
sandbox_refunds = sa.Table(
    "sandbox_refunds",
    metadata,
    sa.Column("id", Key(40), primary_key=True),
    sa.Column("key", Key(64), nullable=False, unique=True),  # the idempotency key
    sa.Column("payment_id", Key(40), nullable=False, index=True),
    sa.Column("document", Json, nullable=False),
)
sandbox_webhooks = sa.Table(
    "sandbox_webhooks",
    metadata,
    sa.Column("id", Key(40), primary_key=True),
    sa.Column("body", Blob, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", Utc, nullable=False, index=True),
)

# --- mail --------------------------------------------------------------------------------------

emails = sa.Table(
    "emails",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("dedupe", Key(120), nullable=False, unique=True),  # one mail per cause
    sa.Column("recipient", sa.String(320), nullable=False),
    sa.Column("sender", sa.String(320), nullable=False),
    sa.Column("subject", sa.String(500), nullable=False),
    sa.Column("text", Long, nullable=False),
    sa.Column("html", Long, nullable=False),
    sa.Column("status", Key(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", Utc, nullable=True, index=True),
    sa.Column("error", sa.String(500), nullable=True),
    sa.Column("subject_id", Id, nullable=True, index=True),  # the order or user it is about
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("sent_at", Utc, nullable=True),
    _version(),
    sa.Index("ix_emails_status", "status", "id"),
)

# --- events and single work --------------------------------------------------------------------

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", Serial, primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("topic", Key(40), nullable=False),
    sa.Column("key", Id, nullable=False),
    sa.Column("kind", Key(80), nullable=False),
    sa.Column("body", Blob, nullable=False),
)
event_log = sa.Table(
    "event_log",
    metadata,
    sa.Column("seq", Serial, primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),
    sa.Column("topic", Key(40), nullable=False),
    sa.Column("key", Id, nullable=False),
    sa.Column("kind", Key(80), nullable=False),
    sa.Column("body", Blob, nullable=False),
    sqlite_autoincrement=True,
)
cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("consumer", Key(64), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("consumer", Key(64), primary_key=True),
    sa.Column("event_id", Id, primary_key=True),
)
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("consumer", Key(64), primary_key=True),
    sa.Column("event_id", Id, primary_key=True),
    sa.Column("topic", Key(40), nullable=False),
    sa.Column("key", Id, nullable=False),
    sa.Column("kind", Key(80), nullable=False),
    sa.Column("body", Blob, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("at", Utc, nullable=False),
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", Key(64), primary_key=True),
    sa.Column("holder", Key(64), nullable=False),
    sa.Column("until", Utc, nullable=False),
)
secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", Key(64), primary_key=True),
    sa.Column("value", Blob, nullable=False),
)

# --- what staff did ----------------------------------------------------------------------------

admin_log = sa.Table(
    "admin_log",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", Utc, nullable=False, index=True),
    sa.Column("user_id", Id, nullable=True),  # no foreign key: a line outlives the account
    sa.Column("action", Key(64), nullable=False),
    sa.Column("object_id", Key(64), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("request_id", Key(64), nullable=False),
    sa.Column("address", Key(45), nullable=False),
    sa.Index("ix_admin_log_user_id", "user_id", "id"),
    sa.Index("ix_admin_log_object_id", "object_id", "id"),
)

# --- sign-in with other services ---------------------------------------------------------------

linked_profiles = sa.Table(
    "linked_profiles",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", Key(32), nullable=False),
    sa.Column("issuer", Key(255), nullable=False),
    sa.Column("subject", Key(255), nullable=False),
    sa.Column("email", sa.String(320), nullable=True),
    sa.Column("linked_at", Utc, nullable=False),
    sa.UniqueConstraint("subject", "issuer"),
    sa.Index("ix_linked_profiles_user_id", "user_id"),
)
#: Answers of providers count once; rows live as long as such an answer would.
spent_states = sa.Table(
    "spent_states",
    metadata,
    sa.Column("hash", Digest, primary_key=True),
    sa.Column("expires_at", Utc, nullable=False, index=True),
)
#: A unit's mark, by which it is found again when the answer to its COMMIT was lost.
units = sa.Table(
    "units",
    metadata,
    sa.Column("id", Id, primary_key=True),
)
