"""The tree of expected failures.

ShopError
├── Invalid          422  the request makes no sense for the business
├── Unauthenticated  401  nobody, or a bad token
├── Denied           403  somebody, but without the permission
├── NotFound         404  no such thing, or not yours
│   └── Gone         410  it was there, and is used up
├── Conflict         409  the present state forbids it
│   └── StaleWrite   409  somebody else wrote first: load again, then retry
├── Limited          429  too often
└── Unavailable      503  not now; try again

The HTTP status belongs to the edge (`entrypoints.http.problems`); anything else is a bug.
"""

from typing import Any, ClassVar


class ShopError(Exception):
    """An expected failure. `code` is public API; `facts` are safe to show to the caller."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class Invalid(ShopError):
    code = "invalid"


class Malformed(ShopError):
    """An ill-typed or out-of-range input, named field by field (400)."""

    code = "validation-failed"

    def __init__(self, detail: str, *, field: str, kind: str = "value", **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.field = field
        self.kind = kind


class Unauthenticated(ShopError):
    code = "unauthenticated"


class Denied(ShopError):
    code = "denied"


class NotFound(ShopError):
    code = "not-found"


class Gone(NotFound):
    code = "gone"


class Conflict(ShopError):
    code = "conflict"


class StaleWrite(Conflict):
    """`untouched` says that nothing of the request was stored before: it may be run again."""

    code = "stale-write"
    untouched = False


class Limited(ShopError):
    """`retry_after` is in seconds."""

    code = "rate-limited"

    def __init__(self, detail: str, *, retry_after: int, **facts: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **facts)
        self.retry_after = retry_after


class Unavailable(ShopError):
    code = "unavailable"
