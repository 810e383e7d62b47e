"""What a MySQL or MariaDB server says, in the shop's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from asyncmy import errors
from sqlalchemy import exc

from shop.adapters.sql.errors import Taken
from shop.core.kernel.errors import StaleWrite, Unavailable

#: Lost races: a snapshot that is too old, a lock not had in time, a deadlock.
_LOST = frozenset({1020, 1205, 1213})
#: A unique key, a foreign key or a CHECK: 3819 is MySQL's, 4025 MariaDB's.
_TAKEN = frozenset({1062, 1451, 1452, 1557, 1586, 3819, 4025})
#: The connection is gone, whatever became of the statement.
_GONE = frozenset({1053, 1080, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2006, 2013, 2014, 4031})
#: Cannot be reached, has no room, may not be written, or takes too long.
_DOWN = frozenset(
    {1021, 1030, 1037, 1038, 1040, 1041, 1114, 1129, 1135, 1203, 1226, 1290, 1792, 1836, 1969}
    | {2002, 2003, 2055, 3024, 3100, 3170}
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises into `Taken`, `StaleWrite` or `Unavailable`."""
    try:
        yield
    except (exc.DBAPIError, errors.Error) as error:
        raise _in_our_words(error) from error
    except (exc.TimeoutError, TimeoutError, OSError) as error:
        raise Unavailable(_CANNOT) from error


_CANNOT = "The shop cannot store anything just now; please try again."


def _in_our_words(error: Exception) -> Exception:
    number = _number(error)
    if number in _LOST:
        return StaleWrite("Somebody else changed this first.")
    if number in _TAKEN or isinstance(error, errors.IntegrityError):
        return Taken(str(getattr(error, "orig", error)))
    if number in _DOWN or gone(error):
        return Unavailable(_CANNOT)
    return error


def gone(error: BaseException) -> bool:
    """Whether the connection is of no use any more."""
    cause = getattr(error, "orig", error)
    if isinstance(cause, OSError | errors.InterfaceError | TimeoutError):
        return True
    return isinstance(cause, errors.Error) and _number(cause) in _GONE | {0}


def _number(error: BaseException) -> int:
    cause = getattr(error, "orig", error)
    first = cause.args[0] if cause is not None and cause.args else None
    return first if isinstance(first, int) else 0
