"""One page of a list."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """`next_cursor` is opaque, None on the last page; `total` is set where counting is cheap."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None
