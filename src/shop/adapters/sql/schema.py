"""Brings a database to the schema this version knows."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from shop.core.kernel.errors import Conflict
from shop.ports.backup import Dumped

_SCRIPTS = Path(__file__).with_name("migrations")
#: A migration's file begins with its revision, and revisions are numbered in order. One that only
#: adds says in its revision which older code it serves: `0009since0007_notes.py`.
_KNOWN = sorted(file.name.partition("_")[0] for file in _SCRIPTS.glob("versions/[0-9]*.py"))
_VERSION = sa.text("SELECT version_num FROM alembic_version")


class SchemaNewer(Conflict):
    code = "schema-newer"


def newest() -> str:
    """The revision this version knows."""
    return _KNOWN[-1]


def current(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(_VERSION)
    return revision


def serves(at: str) -> bool:
    """Whether a later version has left everything in place that this one needs.

    So a pod of the old version may start again while a new one takes over, and after a rollback.
    """
    _, since, oldest = at.partition("since")
    return bool(since) and oldest <= newest().partition("since")[0] < at


def problem(connection: Connection) -> str | None:
    """What keeps this version from working on the database; None when it fits."""
    at = current(connection)
    if at == newest() or (at is not None and serves(at)):
        return None
    if at is None:
        return "The database is empty; run `shop migrate`."
    if at not in _KNOWN:
        return f"The database (at {at}) belongs to a newer version of shop."
    return f"The database is at {at}, this version needs {newest()}; run `shop migrate`."


def is_newer(connection: Connection) -> bool:
    """Whether a later version has migrated it."""
    at = current(connection)
    return at is not None and at not in _KNOWN


def refuse_unfit(dumped: Dumped, kind: str) -> None:
    """Raises `Conflict` for a dump of another kind of database, or of a newer version's."""
    if dumped.kind != kind:
        raise Conflict(
            f"The backup is of {dumped.kind}, and SHOP_DATABASE_URL names {kind}; name the same."
        )
    if dumped.revision not in _KNOWN:
        raise SchemaNewer(
            f"The backup (at {dumped.revision}) belongs to a newer version of shop; use that one."
        )


def migrate(connection: Connection) -> bool:
    """Run what is missing. True if anything was. Raises `SchemaNewer` for a later version's."""
    at = current(connection)
    if at == newest() or (at is not None and serves(at)):
        return False
    if at is not None and at not in _KNOWN:
        raise SchemaNewer(
            "The database belongs to a newer version of shop; use that one.", revision=at
        )
    # A tenth of a start, and needed by few: most starts find nothing to migrate.
    from alembic import command  # noqa: PLC0415 - needed once in a lifetime
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
