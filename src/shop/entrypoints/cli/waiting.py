"""A start needs a database that fits: its own is made so, a server's is waited for."""

import asyncio
import socket

import structlog

from shop.core.kernel.errors import Unavailable
from shop.entrypoints import metrics
from shop.entrypoints.actors import process
from shop.entrypoints.actors.supervisor import Stage, Supervisor
from shop.entrypoints.http.ops import Myself, Ops, Readiness
from shop.ports.system import Schema

log = structlog.get_logger()

#: Seconds between two looks at the database.
_PAUSE = 1.0


class _Look:
    """An actor that stops the others once the database fits."""

    name = "schema"

    def __init__(self, schema: Schema, supervisor: Supervisor) -> None:
        self._schema = schema
        self._supervisor = supervisor
        self._said = ""
        self.problem: str | None = None
        self.fits = False
        self.refused: Exception | None = None

    async def run(self) -> None:
        while not self.fits:
            try:
                self.problem = await problem_of(self._schema)
            except Exception as refused:  # noqa: BLE001 - a newer schema; `fitting` raises it
                self.refused = refused
                break
            self.fits = self.problem is None
            if self.problem is not None:
                if self.problem != self._said:
                    self._said = self.problem
                    log.warning("waiting_for_database", why=self.problem)
                await asyncio.sleep(_PAUSE)
        self._supervisor.stop()

    async def check(self) -> None:
        raise Unavailable(self.problem or "The database was not asked yet.")


async def problem_of(schema: Schema) -> str | None:
    """Also of a database that cannot be asked. Raises `Conflict` for a newer one."""
    try:
        return await schema.problem()
    except Unavailable as down:
        return down.detail


async def fitting(schema: Schema, ops: socket.socket, *, shared: bool) -> bool:
    """True once the database fits; False when told to stop. Raises `Conflict` for a newer one."""
    if not shared:
        await schema.migrate()  # the embedded database belongs to nobody else
        return True
    if await problem_of(schema) is None:
        return True
    supervisor = Supervisor()
    readiness = Readiness(supervisor.health)
    look = _Look(schema, supervisor)
    readiness.check("database", look.check)
    registry = metrics.make_registry()
    registry.register(metrics.Actors(supervisor.health))
    supervisor.add(Stage.LAST, look, Ops(ops, Myself(readiness, registry)))
    await process.hold(supervisor)
    if look.refused is not None:
        raise look.refused
    return look.fits
