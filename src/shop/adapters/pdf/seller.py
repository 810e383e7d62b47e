"""Who sells, as papers say it."""

from msgspec import Struct


class Seller(Struct, frozen=True, kw_only=True):
    """`state` is the ISO 3166-2 code without `IN-`."""

    name: str
    address: tuple[str, ...]
    gstin: str
    state: str
