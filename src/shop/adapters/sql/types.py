"""Column types that mean the same in every database we support."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from shop.core.kernel.ids import id_of

_BINARY16 = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
_MICROSECONDS = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


class Id(sa.TypeDecorator[UUID]):
    """A UUID in 16 bytes."""

    impl = _BINARY16
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else value.bytes

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> UUID | None:
        return None if value is None else id_of(value)


class Utc(sa.TypeDecorator[datetime]):
    """A UTC moment, to the microsecond, on databases that drop time zones."""

    impl = _MICROSECONDS
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Json(sa.TypeDecorator[Any]):
    """A JSON document as text; Structs and their members come back as plain data."""

    impl = sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


#: Keys, tokens and the gateway's ids are compared byte by byte: `pay_A` is not `pay_a`.
def Key(length: int) -> sa.types.TypeEngine[str]:  # noqa: N802 - reads as the type it makes
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


#: Bytes up to a length.
def Bytes(length: int) -> sa.types.TypeEngine[bytes]:  # noqa: N802 - reads as the type it makes
    return sa.LargeBinary(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


#: A SHA-256.
Digest = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")

#: A number that grows by itself.
Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

#: Long text.
Long = sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")

#: Bytes of any practical length.
Blob = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB, "mysql", "mariadb")
