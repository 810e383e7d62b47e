"""Shopify's format, written."""

import csv
import io
from uuid import UUID

import pytest
from msgspec.structs import replace

from shop.adapters.feeds.cells import shielded, unshielded
from shop.adapters.feeds.money import parse_price, plain_price
from shop.adapters.feeds.notes import COLUMN, read_notes
from shop.adapters.feeds.shopify import ShopifyFeed
from shop.adapters.feeds.shopify_writer import ShopifyWriter
from shop.core.catalog.source import SourceImage, SourceProduct, SourceVariant
from shop.ports.feeds import NotExpressible


def _product(**changes: object) -> SourceProduct:
    told: dict[str, object] = {
        "key": "mug",
        "record": 0,
        "title": "Mug",
        "currency": "INR",
        "tax_basis_points": 1200,
        "product_id": UUID(int=7),
        "addressed": True,
        "variants": (SourceVariant(key="Default Title", price=1250, stock=3),),
    }
    return SourceProduct(**(told | changes))  # type: ignore[arg-type]


def _written(*products: SourceProduct) -> bytes:
    writer = ShopifyWriter()
    return writer.head() + b"".join(map(writer.product, products))


def test_the_reader_gets_back_what_was_written() -> None:
    product = _product(
        brand="+Potters",
        categories=(("Home", "Mugs & Cups"), ("12",)),
        tags=("with, comma", "plain"),
        specifications=(("Holds", "330 ml"),),
        hsn="6912",
        images=tuple(SourceImage(url=f"https://p.example/{n}.jpg") for n in range(3)),
        variants=(
            SourceVariant(key="S / Red", options=(("Size", "S"), ("Colour", "Red")), price=1),
            SourceVariant(key="L / Red", options=(("Size", "L"), ("Colour", "Red")), price=None),
        ),
    )
    items = ShopifyFeed().read(io.BytesIO(_written(product)), "USD")
    assert [item for item in items if isinstance(item, SourceProduct)] == [
        replace(product, record=1)
    ]


def test_a_product_without_variants_stays_without() -> None:
    product = _product(variants=(), published=False)
    items = list(ShopifyFeed().read(io.BytesIO(_written(product)), "INR"))
    assert [item.variants for item in items if isinstance(item, SourceProduct)] == [()]


def test_a_fourth_option_is_refused() -> None:
    options = tuple((name, "x") for name in "abcd")
    with pytest.raises(NotExpressible):
        ShopifyWriter().product(_product(variants=(SourceVariant(key="x", options=options),)))


@pytest.mark.parametrize("text", ["=1", "-1", "+a", "@x", "'=1", "''-", "'quoted'", "plain", ""])
def test_no_cell_is_a_formula_and_each_comes_back(text: str) -> None:
    assert shielded(text)[:1] not in {"=", "+", "-", "@"}
    assert unshielded(shielded(text)) == text


@pytest.mark.parametrize(
    ("minor", "currency"),
    [(0, "INR"), (5, "INR"), (129_900, "INR"), (7, "JPY"), (1, "KWD"), (12_345, "KWD")],
)
def test_prices_come_back(minor: int, currency: str) -> None:
    assert parse_price(plain_price(minor, currency), currency) == minor


def test_spoilt_notes_are_left_out_with_a_warning() -> None:
    rows = list(csv.reader(io.StringIO(_written(_product()).decode())))
    rows[1][rows[0].index(COLUMN)] = '{"id": 1}'
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    items = list(ShopifyFeed().read(io.BytesIO(text.getvalue().encode()), "INR"))
    codes = [getattr(item, "code", None) for item in items]
    assert "notes-unreadable" in codes
    assert [item.product_id for item in items if isinstance(item, SourceProduct)] == [None]


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"id":"x"}', "null"])
def test_notes_of_somebody_else_are_none(text: str) -> None:
    assert read_notes(text) is None
