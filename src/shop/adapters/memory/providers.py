"""All that a shop keeps, in memory, part by part."""

from dishka import Provider

from shop.adapters.memory.admin_log import MemoryLog
from shop.adapters.memory.catalog_provider import MemoryCatalog
from shop.adapters.memory.mail_provider import MemoryMails
from shop.adapters.memory.orders_provider import MemoryOrderStorage
from shop.adapters.memory.privacy import MemoryPrivacy
from shop.adapters.memory.provider import MemoryStorage
from shop.adapters.memory.social_provider import MemorySocial

PARTS: dict[str, type[Provider]] = {
    "base": MemoryStorage,
    "social": MemorySocial,
    "catalog": MemoryCatalog,
    "orders": MemoryOrderStorage,
    "mail": MemoryMails,
    "log": MemoryLog,
    "privacy": MemoryPrivacy,
}
