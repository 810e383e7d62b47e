"""Brings a database to the schema this version knows."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from shop.core.kernel.errors import Conflict

_SCRIPTS = Path(__file__).with_name("migrations")


class SchemaNewer(Conflict):
    code = "schema-newer"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision this version knows."""
    head = ScriptDirectory(str(_SCRIPTS)).get_current_head()
    assert head is not None  # noqa: S101 - there is always a first migration
    return head


def current(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def problem(connection: Connection) -> str | None:
    """What keeps this version from working on the database; None when it fits."""
    at = current(connection)
    if at == newest():
        return None
    if at is None:
        return "The database is empty; run `shop migrate`."
    if at not in _known():
        return f"The database (at {at}) belongs to a newer version of shop."
    return f"The database is at {at}, this version needs {newest()}; run `shop migrate`."


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}


def migrate(connection: Connection) -> bool:
    """Run what is missing. True if anything was. Raises `SchemaNewer` for a later version's."""
    at = current(connection)
    if at == newest():
        return False
    if at is not None and at not in _known():
        raise SchemaNewer(
            "The database belongs to a newer version of shop; use that one.", revision=at
        )
    command.upgrade(_config(connection), "head")
    return True
