"""What a product of ours has that Shopify's columns do not hold; it travels in one metafield."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from shop.adapters.feeds.text import one_line, shorten

COLUMN = "Shop Product (product.metafields.shop.product)"
_NAME_MOST = 255
_VALUE_MOST = 4_096

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]


class Notes(Struct, frozen=True, kw_only=True):
    id: UUID
    currency: Currency
    hsn: str = ""
    tax_basis_points: BasisPoints
    categories: tuple[tuple[str, ...], ...] = ()
    tags: tuple[str, ...] = ()
    specifications: tuple[tuple[str, str], ...] = ()


def write_notes(notes: Notes) -> str:
    return msgspec.json.encode(notes).decode()


def read_notes(text: str) -> Notes | None:
    """The notes, tidied like every other cell; None for what is none of ours."""
    try:
        notes = msgspec.json.decode(text, type=Notes)
    except (msgspec.DecodeError, RecursionError):
        return None
    paths = (tuple(name for name in map(_name, path) if name) for path in notes.categories)
    return Notes(
        id=notes.id,
        currency=notes.currency,
        hsn=_name(notes.hsn),
        tax_basis_points=notes.tax_basis_points,
        categories=tuple(path for path in paths if path),
        tags=tuple(tag for tag in map(_name, notes.tags) if tag),
        specifications=tuple(
            (_name(name), shorten(one_line(value), _VALUE_MOST))
            for name, value in notes.specifications
        ),
    )


def _name(text: str) -> str:
    return shorten(one_line(text), _NAME_MOST)
