"""Writes Shopify's product export, as `ShopifyFeed` and Shopify itself read it."""

import csv
import io
from collections.abc import Sequence
from itertools import zip_longest

from shop.adapters.feeds.cells import shielded
from shop.adapters.feeds.money import plain_price
from shop.adapters.feeds.notes import COLUMN, Notes, write_notes
from shop.core.catalog.source import SourceImage, SourceProduct, SourceVariant
from shop.ports.feeds import FeedWriter, NotExpressible

_MOST_OPTIONS = 3
_COLUMNS = (
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Product Category",
    "Type",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Grams",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Fulfillment Service",
    "Variant Price",
    "Variant Compare At Price",
    "Variant Requires Shipping",
    "Variant Taxable",
    "Variant Barcode",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "Variant Image",
    "Variant Weight Unit",
    "Status",
    COLUMN,
)


class ShopifyWriter(FeedWriter):
    """One record for each variant or picture, whichever are more."""

    def head(self) -> bytes:
        return _lines([_COLUMNS])

    def product(self, product: SourceProduct) -> bytes:
        """Shopify knows three options; what needs more is refused."""
        names = list(dict.fromkeys(n for v in product.variants for n, _ in v.options))
        if len(names) > _MOST_OPTIONS:
            raise NotExpressible(
                f"It has {len(names)} options; Shopify's format holds {_MOST_OPTIONS}."
            )
        currency = product.currency or ""
        rows: list[dict[str, str]] = []
        for number, (variant, image) in enumerate(
            zip_longest(product.variants, product.images), start=1
        ):
            row = {"Handle": product.key}
            if number == 1:
                row |= _of_product(product)
            if variant is not None:
                row |= _of_variant(variant, names, currency)
                if number == 1:  # the reader takes the names from where they first stand
                    row |= {f"Option{n} Name": name for n, name in enumerate(names, 1)}
            if image is not None:
                row |= _of_image(image, number)
            rows.append(row)
        if not rows:
            rows.append({"Handle": product.key} | _of_product(product))
        return _lines([[shielded(row.get(name, "")) for name in _COLUMNS] for row in rows])


def _of_product(product: SourceProduct) -> dict[str, str]:
    shelf = product.categories[0] if product.categories else ()
    notes = (
        Notes(
            id=product.product_id,
            currency=product.currency or "",
            hsn=product.hsn,
            tax_basis_points=product.tax_basis_points or 0,
            categories=product.categories,
            tags=product.tags,
            specifications=product.specifications,
        )
        if product.product_id
        else None
    )
    return {
        "Title": product.title,
        # As the reader would write it, so that a second export is the same.
        "Body (HTML)": product.description_html.replace("\u00a0", "&nbsp;"),
        "Vendor": product.brand,
        "Product Category": " > ".join(shelf),
        "Type": shelf[-1] if shelf else "",
        "Tags": ", ".join(product.tags),
        "Published": "TRUE" if product.published else "FALSE",
        "Status": "active" if product.published else "draft",
        COLUMN: write_notes(notes) if notes else "",
    }


def _of_variant(variant: SourceVariant, names: list[str], currency: str) -> dict[str, str]:
    values = dict(variant.options)
    row = {f"Option{n} Value": values.get(name, "") for n, name in enumerate(names, 1)}
    if not names:
        row = {"Option1 Name": "Title", "Option1 Value": "Default Title"}
    return row | {
        "Variant SKU": variant.sku,
        "Variant Grams": "" if variant.weight_grams is None else str(variant.weight_grams),
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": str(variant.stock),
        "Variant Inventory Policy": "deny",
        "Variant Fulfillment Service": "manual",
        "Variant Price": _price(variant.price, currency),
        "Variant Compare At Price": _price(variant.compare_at, currency),
        "Variant Requires Shipping": "TRUE",
        "Variant Taxable": "TRUE",
        "Variant Barcode": variant.barcode,
        "Variant Image": variant.image,
        "Variant Weight Unit": "g",
    }


def _of_image(image: SourceImage, number: int) -> dict[str, str]:
    return {"Image Src": image.url, "Image Position": str(number), "Image Alt Text": image.alt}


def _price(minor: int | None, currency: str) -> str:
    return "" if minor is None else plain_price(minor, currency)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
