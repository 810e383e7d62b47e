"""What staff and operators did, as the admin log keeps it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.ids import UserId


class Act(Struct, frozen=True, kw_only=True):
    """`action` reads `<thing>.<deed>`; `detail` holds figures and codes, never what people wrote.

    `user_id` is None for whoever runs commands on the machine.
    """

    user_id: UserId | None
    action: str
    object_id: str
    at: datetime
    detail: str = ""


class Entry(Act, frozen=True, kw_only=True):
    """A line of the log: the act, the request that it came with, and from where."""

    id: UUID
    request_id: str
    address: str


def by_operator(action: str, object_id: object, at: datetime, detail: str = "") -> Act:
    """An act of whoever runs commands on the machine."""
    return Act(user_id=None, action=action, object_id=str(object_id), at=at, detail=detail)


#: `Caller.did`, or `by_operator` for whoever runs commands on the machine.
Did = Callable[..., Act]
