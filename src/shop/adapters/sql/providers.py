"""All that a shop keeps, on SQL, part by part; the database itself is a provider of its own."""

from dishka import Provider

from shop.adapters.sql.admin_log import SqlLog
from shop.adapters.sql.catalog_provider import SqlCatalog
from shop.adapters.sql.mail_provider import SqlMail
from shop.adapters.sql.orders_provider import SqlOrderStorage
from shop.adapters.sql.privacy import SqlPrivacy
from shop.adapters.sql.provider import SqlStorage
from shop.adapters.sql.social_provider import SqlSocial

PARTS: dict[str, type[Provider]] = {
    "base": SqlStorage,
    "social": SqlSocial,
    "catalog": SqlCatalog,
    "orders": SqlOrderStorage,
    "mail": SqlMail,
    "log": SqlLog,
    "privacy": SqlPrivacy,
}
