"""What a driver says, in the shop's words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from shop.core.kernel.errors import StaleWrite, Unavailable

#: SQLite's primary result codes of a database that is busy, locked, read-only, broken or full.
_DOWN = frozenset({5, 6, 8, 10, 11, 13, 14, 26})


class Taken(Exception):
    """A unique key, a foreign key or a CHECK refused a write; `what` is the driver's text."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into `Taken`, `StaleWrite` or `Unavailable`."""
    try:
        yield
    except (exc.IntegrityError, sqlite3.IntegrityError) as error:
        raise Taken(str(getattr(error, "orig", error))) from error
    except (exc.OperationalError, sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        raise _operational(error) from error
    except exc.DBAPIError as error:
        raise _operational(error) from error


def _operational(error: Exception) -> Exception:
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return error
    if code & 0xFF in _DOWN:
        return Unavailable("The shop cannot store anything just now; please try again.")
    return error


def lost(what: str) -> StaleWrite:
    return StaleWrite(f"Somebody else changed {what} first.")
