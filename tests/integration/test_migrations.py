"""Migrations make the schema that the code means, up and down again, step by step."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shop.adapters.sql import schema
from shop.adapters.sql.schema import SchemaNewer
from shop.adapters.sql.tables import metadata

SCRIPTS = Path(schema.__file__).with_name("migrations")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def config(connection: sa.Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    made.attributes["connection"] = connection
    return made


def revisions() -> list[str]:
    walk = ScriptDirectory(str(SCRIPTS)).walk_revisions()
    return [script.revision for script in reversed(list(walk))]


def shape(connection: sa.Connection) -> list[tuple[str, str]]:
    """What SQLite keeps of every table and index, constraints included, spaces apart."""
    query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND sql NOT NULL"
    rows = connection.exec_driver_sql(query).all()
    return sorted((name, " ".join(sql.replace('"', "").split())) for name, sql in rows)


def test_each_step_goes_up_down_and_up_again(connection: sa.Connection) -> None:
    for revision in revisions():
        command.upgrade(config(connection), revision)
        after = shape(connection)
        command.downgrade(config(connection), "-1")
        command.upgrade(config(connection), revision)
        assert shape(connection) == after


def test_migrations_make_what_the_code_means(connection: sa.Connection) -> None:
    schema.migrate(connection)
    # It would have every database keep every index, also those that are made for one kind alone.
    context = MigrationContext.configure(connection, opts={"include_object": _is_no_index})
    assert compare_metadata(context, metadata) == []
    fresh = sa.create_engine("sqlite://")
    with fresh.connect() as other:
        metadata.create_all(other)
        meant, made = dict(shape(other)), dict(shape(connection))
        assert meant.keys() == made.keys()
        for name, sql in meant.items():
            if sql.startswith("CREATE TABLE"):
                assert sorted(_parts(made[name])) == sorted(_parts(sql)), name
            else:
                assert made[name] == sql
    fresh.dispose()


def _is_no_index(_object: object, _name: str, kind: str, *_: object) -> bool:
    return kind != "index"


def _parts(create: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE, in any order."""
    return [part.strip() for part in create.partition("(")[2].rpartition(")")[0].split(", ")]


def test_migrating_twice_changes_nothing(connection: sa.Connection) -> None:
    assert schema.problem(connection) == "The database is empty; run `shop migrate`."
    assert schema.migrate(connection)
    assert not schema.migrate(connection)
    assert schema.problem(connection) is None


def test_a_newer_database_is_left_alone(connection: sa.Connection) -> None:
    schema.migrate(connection)
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    assert "newer version" in (schema.problem(connection) or "")
    with pytest.raises(SchemaNewer):
        schema.migrate(connection)
