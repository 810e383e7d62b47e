"""Opaque places in a sorted list: the sort and the key of the last item, and nothing of ours."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from uuid import UUID

import msgspec
from msgspec import Struct

from shop.core.kernel.errors import Malformed


class Place(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`rank` is 0 or 1 where the list is sorted by relevance."""

    sort: str
    key: int | str
    id: UUID
    rank: int = 0

    def cursor(self) -> str:
        return urlsafe_b64encode(_encode(self)).decode().rstrip("=")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Place).decode


def place_of(cursor: str, sort: str) -> Place:
    """Raises `Malformed` for a cursor that was not made for this sort."""
    try:
        place = _decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (Error, ValueError, msgspec.MsgspecError) as error:
        raise _foreign() from error
    text = sort == "title"
    if place.sort != sort or isinstance(place.key, str) is not text or place.rank not in {0, 1}:
        raise _foreign()
    if isinstance(place.key, int) and not -(2**63) <= place.key < 2**63:
        raise _foreign()
    return place


def _foreign() -> Malformed:
    return Malformed("This cursor belongs to no list of ours.", field="cursor", kind="cursor")
