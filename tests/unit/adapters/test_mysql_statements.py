"""What MariaDB allows and MySQL refuses; the tests often run on MariaDB alone."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

import shop.adapters.sql
from shop.adapters.sql.conn import Hot

#: The names in the text of a statement that only MariaDB knows.
_MARIADB_ONLY = ("RETURNING", "NEXTVAL", "NEXT VALUE", "OFFSET_")


def _statements() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules(shop.adapters.sql.__path__, "shop.adapters.sql."):
        if module.ispkg:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            statement = value._statement if isinstance(value, Hot) else value  # noqa: SLF001
            if isinstance(statement, sa.Update | sa.Delete | sa.Insert | sa.Select):
                yield f"{module.name.rpartition('.')[2]}.{name}", statement


STATEMENTS = dict(_statements())


def test_there_are_statements_to_look_at() -> None:
    assert len(STATEMENTS) > 150


@pytest.mark.parametrize(
    "name", [name for name, one in STATEMENTS.items() if isinstance(one, sa.Update | sa.Delete)]
)
def test_no_subquery_reads_the_table_that_its_statement_changes(name: str) -> None:
    """Error 1093, unless a derived table stands between them."""
    statement = STATEMENTS[name]
    for read in _read_directly(statement):
        assert statement.table not in read.get_final_froms(), statement.table.name


def _read_directly(part: Any) -> Iterator[sa.Select[Any]]:
    """The SELECTs in it that do not stand in a FROM."""
    for child in part.get_children():
        if isinstance(child, sa.Select):
            yield child
        if not isinstance(child, sa.Subquery):
            yield from _read_directly(child)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_is_of_mariadb_alone(name: str) -> None:
    text = str(STATEMENTS[name].compile(dialect=mysql.dialect()))
    assert not [word for word in _MARIADB_ONLY if word in text.upper()]
