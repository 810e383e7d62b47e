"""One page of a list."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.errors import Malformed

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """`next_cursor` is opaque, None on the last page; `total` is set where counting is cheap."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


N = TypeVar("N", bound=Identified)


def paged(found: Sequence[N], limit: int, total: int | None = None) -> Page[N]:
    """By the id of its last; `found` has one more than the page where there is a next one."""
    more = found[limit - 1].id.hex if len(found) > limit else None
    return Page(tuple(found[:limit]), more, total)


def last_id(cursor: str | None) -> UUID | None:
    """The id that a page begins behind; None at the beginning. Raises `Malformed`."""
    if not cursor:
        return None
    try:
        return UUID(hex=cursor)
    except ValueError:
        raise Malformed("This cursor is none of ours.", field="cursor") from None
