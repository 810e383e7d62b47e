"""The columns of Shopify's export, by all the names they have had."""

from shop.adapters.feeds.containers import header_name
from shop.adapters.feeds.notes import COLUMN

ALIASES: dict[str, tuple[str, ...]] = {
    "handle": ("handle", "url handle", "product handle"),
    "title": ("title", "product title"),
    "body": ("body html", "body", "description"),
    "vendor": ("vendor",),
    "type": ("type", "product type"),
    "custom_type": ("custom product type",),
    "category": ("product category", "standard product type", "standardized product type"),
    "google": ("google shopping google product category", "google product category"),
    "tags": ("tags",),
    "published": ("published", "published on online store"),
    "status": ("status",),
    "name1": ("option1 name",),
    "name2": ("option2 name",),
    "name3": ("option3 name",),
    "value1": ("option1 value",),
    "value2": ("option2 value",),
    "value3": ("option3 value",),
    "sku": ("variant sku", "sku"),
    "grams": ("variant grams", "weight value grams", "grams"),
    "weight": ("variant weight", "weight"),
    "unit": ("variant weight unit", "weight unit"),
    "stock": ("variant inventory qty", "variant inventory quantity", "inventory quantity"),
    "price": ("variant price", "price"),
    "compare_at": ("variant compare at price", "compare at price"),
    "barcode": ("variant barcode", "barcode", "variant barcodes", "barcodes"),
    "image": ("image src", "product image url", "image url"),
    "position": ("image position",),
    "alt": ("image alt text",),
    "variant_image": ("variant image", "variant image url"),
    "notes": (header_name(COLUMN),),
}
#: What the file must have, as the export calls it.
NEEDED = {"handle": "Handle", "title": "Title", "price": "Variant Price"}
