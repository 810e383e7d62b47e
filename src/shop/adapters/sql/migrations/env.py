"""Alembic runs this for each command; the connection comes from `schema.migrate`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.ddl.mysql import MySQLImpl
from sqlalchemy import exc

from shop.adapters.sql.tables import metadata

#: A table, a column, an index, a row that is there; an index that is gone.
_DONE = frozenset({1050, 1060, 1061, 1062, 1091})


@contextmanager
def _unless_done() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] not in _DONE:
            raise


class Resuming(MySQLImpl):
    """No transaction holds a server's DDL together: what was killed half-way is gone through again.

    Each step is there as a whole or not at all.
    """

    __dialect__ = "mysql"

    def create_table(self, *args: Any, **options: Any) -> None:
        with _unless_done():
            super().create_table(*args, **options)

    def create_index(self, *args: Any, **options: Any) -> None:
        with _unless_done():
            super().create_index(*args, **options)

    def drop_index(self, *args: Any, **options: Any) -> None:
        with _unless_done():
            super().drop_index(*args, **options)

    def add_column(self, *args: Any, **options: Any) -> None:
        with _unless_done():
            super().add_column(*args, **options)

    def bulk_insert(self, *args: Any, **options: Any) -> None:
        with _unless_done():
            super().bulk_insert(*args, **options)


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
