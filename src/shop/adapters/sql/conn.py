"""What the repositories say to a database."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import bindparam

Params = Mapping[str, Any]


class Hot:
    """A Core statement compiled once to the driver's own text, for the writes that come in batches.

    SQLAlchemy's parameter handling costs more than SQLite's work on such a statement (half of
    a checkout); so rows go to the driver as tuples, in the order of `names`. A statement may
    hold one list (`among`), which must be its only parameter.
    """

    def __init__(self, statement: sa.Executable) -> None:
        self._statement = statement
        self._texts: dict[tuple[str, int], str] = {}

    def text(self, dialect: sa.Dialect, size: int = 0) -> str:
        """The driver's text; with room for `size` values where the statement holds a list."""
        key = dialect.name, size
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = self._compile(dialect, size)
        return found

    def names(self, dialect: sa.Dialect) -> list[str]:
        return list(self._compiled(dialect).positiontup or ())

    def _compiled(self, dialect: sa.Dialect) -> Any:
        compiled: Any = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        return compiled

    def _compile(self, dialect: sa.Dialect, size: int) -> str:
        text = str(self._compiled(dialect))
        start = text.find("(__[POSTCOMPILE_")
        if start < 0:
            return text
        end = text.index("])", start) + 2
        mark = "%s" if dialect.paramstyle in {"format", "pyformat"} else "?"
        return f"{text[:start]}({', '.join([mark] * size)}){text[end:]}"


def among(column: sa.ColumnElement[Any], name: str = "ids") -> sa.ColumnElement[bool]:
    """Whether the column holds one of a list that comes with each run."""
    return column.in_(bindparam(name, expanding=True))


def literally(text: str) -> str:
    """Text in which LIKE finds no signs of its own, with `escape="!"`."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def padded(values: Sequence[Any]) -> list[Any]:
    """Repeat the last value up to a power of two, so that few texts serve all lengths."""
    size = 1 << (len(values) - 1).bit_length()
    return [*values, *[values[-1]] * (size - len(values))]


class Conn(Protocol):
    """A connection inside a transaction. Driver errors arrive as `errors.translated` says."""

    dialect: sa.Dialect
    #: False where a unit has the whole database to itself.
    locks_rows: bool

    @abstractmethod
    async def rows(self, statement: sa.Executable, params: Params | None = None) -> list[Any]:
        """Run a statement that returns rows."""

    @abstractmethod
    async def run(
        self, statement: sa.Executable, params: Params | Sequence[Params] | None = None
    ) -> int:
        """Run a statement, once for each of several parameter sets; returns the rows touched."""

    @abstractmethod
    async def fetch(self, statement: Hot, values: Sequence[Any] = ()) -> list[Any]:
        """Rows as plain tuples of what the driver gives; `values` fill the statement's list."""

    @abstractmethod
    async def many(self, statement: Hot, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run for each of the tuples; returns the rows touched."""

    @abstractmethod
    def moment(self, value: datetime | None) -> Any:
        """A time, if there is one, as the driver takes it in `many`."""


async def one(conn: Conn, statement: sa.Executable, params: Params | None = None) -> Any:
    """The only row, or None."""
    found = await conn.rows(statement, params)
    return found[0] if found else None


def to_moment(value: Any) -> datetime:
    """A time as the driver gives it in `fetch`."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at.replace(tzinfo=UTC)


def to_moment_or_none(value: Any) -> datetime | None:
    return to_moment(value) if value else None
