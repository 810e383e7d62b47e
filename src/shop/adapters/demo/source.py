"""The demo catalogue as a source to import: products from the TOML files beside this module."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import product as combinations
from tomllib import loads
from typing import Any
from unicodedata import normalize

from shop.adapters.demo.pictures import draw
from shop.core.catalog.source import SourceImage, SourceProduct, SourceVariant

SHELVES = (
    "kitchen",
    "home",
    "bedding",
    "clothing",
    "footwear_bags",
    "electronics",
    "books_toys",
    "care_grocery",
    "sports_garden",
)


def products() -> Iterator[SourceProduct]:
    """Every product of the demo shop, in the order of the shelves.

    Prices include tax, in minor units of the currency that the shop has.
    """
    for record, entry in enumerate(_entries(), start=1):
        yield SourceProduct(
            key=entry["key"],
            record=record,
            title=entry["title"],
            description_html=entry["text"],
            brand=entry["brand"],
            categories=tuple(tuple(path.split(" > ")) for path in entry["at"]),
            tags=tuple(entry["tags"]),
            specifications=tuple(_specification(line) for line in entry["specs"]),
            images=tuple(
                SourceImage(url=f"media:demo/{name}.svg", alt=alt) for name, alt in _pictures(entry)
            ),
            variants=_variants(entry),
            hsn=entry["hsn"],
            tax_basis_points=entry["gst"],
        )


def picture(key: str) -> bytes:
    """The SVG behind `media:demo/<key>.svg`; KeyError for a name no product shows."""
    motif, palette, near = _drawings()[key]
    return draw(motif, palette, near=near, seed=key).encode()


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    shelf = files(__package__)
    return tuple(
        entry
        for name in SHELVES
        for entry in loads((shelf / f"{name}.toml").read_text("utf-8"))["product"]
    )


@cache
def _drawings() -> dict[str, tuple[str, str, bool]]:
    return {
        name: (entry["motif"], palette, near)
        for entry in _entries()
        for (name, _), palette, near in zip(
            _pictures(entry), entry["colours"], (False, True), strict=False
        )
    }


def _pictures(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and alternative text of each picture: the whole thing first, then from nearer."""
    key, alt = entry["key"], entry["alt"]
    return [(key, alt), (f"{key}-2", f"{alt}, closer and in other colours")][
        : len(entry["colours"])
    ]


def _specification(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def _variants(entry: dict[str, Any]) -> tuple[SourceVariant, ...]:
    """Every combination of the options, the last option running fastest.

    Price, former price, stock and weight are one number for all or a list in that order.
    """
    options: dict[str, list[str]] = entry.get("options", {})
    values = list(combinations(*options.values()))
    prices, formers, stocks, grams = (
        _each(entry.get(name, 0), len(values)) for name in ("price", "was", "stock", "grams")
    )
    return tuple(
        SourceVariant(
            key=" / ".join(chosen) or "default",
            sku="-".join((entry["sku"], *map(_short, chosen))),
            options=tuple(zip(options, chosen, strict=True)),
            price=price,
            compare_at=former or None,
            stock=stock,
            weight_grams=weight,
        )
        for chosen, price, former, stock, weight in zip(
            values, prices, formers, stocks, grams, strict=True
        )
    )


def _each(numbers: int | list[int], count: int) -> list[int]:
    return [numbers] * count if isinstance(numbers, int) else numbers


def _short(value: str) -> str:
    """An option value as part of a SKU: plain capitals and digits, at most eight."""
    plain = normalize("NFKD", value).encode("ascii", "ignore").decode().upper()
    return "".join(filter(str.isalnum, plain))[:8]
