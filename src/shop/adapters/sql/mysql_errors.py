"""What a MySQL or MariaDB server says, in the shop's words."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from asyncmy import errors
from sqlalchemy import exc

from shop.adapters.sql.errors import Taken
from shop.adapters.sql.mysql_tls import encrypted
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
    | {2002, 2003, 2055, 3024, 3100, 3159, 3170}
)
#: A wrong name or password, or no right to the database or to what a session sets.
_DENIED = frozenset({1044, 1045, 1227, 1698})
_NO_DATABASE = 1049
_WANTS_TLS = 3159
#: What may be raised where a connection is made.
TROUBLE: tuple[type[Exception], ...] = (exc.DBAPIError, errors.Error, OSError, TimeoutError)


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


def explained(error: BaseException, where: sa.URL) -> tuple[str, str]:
    """Why no connection was made, and what to do: for people who run the shop."""
    number, place = _number(error), f"{where.host}:{where.port or 3306}"
    refused = getattr(getattr(error, "orig", error), "__cause__", None)
    if isinstance(refused, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {place} is refused ({refused.verify_message.rstrip('.')})",
            "see that ssl_ca in SHOP_DATABASE_URL names who signed it, and that it has not run out",
        )
    if isinstance(refused, ssl.SSLError):
        return (
            f"{place} does not speak TLS as we do ({refused.reason})",
            "let the server offer TLS, or take the ssl options out of SHOP_DATABASE_URL",
        )
    if number == _WANTS_TLS:
        return f"{place} wants TLS", "put ?ssl=true or ?ssl_ca=FILE behind SHOP_DATABASE_URL"
    if number in _DENIED:
        # MariaDB says no more than this to who should have used TLS.
        tls = "" if encrypted(where) else "; or ask for TLS with ?ssl=true, if it wants that"
        return (
            f"{where.host} refuses the user {where.username}",
            f"see the name, the password and the rights in SHOP_DATABASE_URL{tls}",
        )
    if number == _NO_DATABASE:
        return (
            f"there is no database {where.database}",
            "create it, and give that user all rights to it",
        )
    return f"{place} cannot be reached", "see that the server runs, and the way to it"
