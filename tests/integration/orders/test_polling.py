"""What is looked for again and again costs the same, however many orders wait to be paid."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from dishka import AsyncContainer

from shop.adapters.sandbox.webhooks import SandboxWebhooks
from shop.adapters.sql.database import Database
from shop.core.checkout.expiry import Expiry
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.refunds import RefundSender
from shop.core.notifications.service import Mailer
from shop.ports.system import Clock
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked
from tests.kit.orders import an_order, using

FEW, MORE = 5, 60


@contextmanager
def counted(connections: list[sqlite3.Connection]) -> Iterator[list[None]]:
    """The instructions of SQLite's virtual machine that run meanwhile."""
    seen: list[None] = []
    for connection in connections:
        connection.set_progress_handler(lambda: seen.append(None), 1)
    try:
        yield seen
    finally:
        for connection in connections:
            connection.set_progress_handler(None, 1)


async def cost(container: AsyncContainer, look: Callable[[], Awaitable[Any]]) -> int:
    database: Any = await container.get(Database)
    lanes = (database._writer, *database._lanes)  # noqa: SLF001
    with counted([lane.conn._raw for lane in lanes]) as seen:  # noqa: SLF001
        assert not await look()
    return len(seen)


async def costs(container: AsyncContainer) -> dict[str, int]:
    hooks = await container.get(SandboxWebhooks)
    async with (
        using(container, Expiry) as expiry,
        using(container, PaymentLinks) as links,
        using(container, RefundSender) as refunds,
        using(container, Mailer) as mails,
    ):
        pollers: dict[str, Callable[[], Awaitable[Any]]] = {
            "expiry": expiry.run_once,
            "missing links": links.create_missing,
            "link checks": links.check_due,
            "refunds": refunds.send_due,
            "mails": mails.send_due,
            "webhooks": hooks.deliver_due,
        }
        return {name: await cost(container, look) for name, look in pollers.items()}


async def test_who_waits_to_be_paid_makes_no_look_dearer(tmp_path: Path) -> None:
    async with running(settings_for("sqlite", tmp_path)) as container:
        clock = cast(ManualClock, await container.get(Clock))
        [variant] = await stocked(container, FEW + MORE)
        for _ in range(FEW):
            await an_order(container, variant, 1)
        clock.advance(60)  # their links could have been missing by now
        few = await costs(container)
        for _ in range(MORE):
            await an_order(container, variant, 1)
        clock.advance(60)
        assert await costs(container) == few
