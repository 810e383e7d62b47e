"""What the settings choose."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from dishka import AsyncContainer

from shop.adapters.system.secrets import DerivedSecrets
from shop.core.checkout.carts import AddItem
from shop.core.users.model import IdentityRules
from shop.entrypoints.actors.desks import CartDesk
from shop.ports.system import Secrets
from shop.settings import Secret, Security
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked


async def test_keys_follow_from_the_secret_of_the_settings(storage: str, tmp_path: Path) -> None:
    given = Security(secret=Secret("a secret of thirty-two characters and more"))
    async with running(settings_for(storage, tmp_path, security=given)) as container:
        assert isinstance(await container.get(Secrets), DerivedSecrets)
    async with running(settings_for(storage, tmp_path)) as container:
        assert not isinstance(await container.get(Secrets), DerivedSecrets)


async def test_a_session_is_believed_to_live_only_where_its_end_would_be_heard_of(
    storage: str, tmp_path: Path
) -> None:
    async with running(settings_for(storage, tmp_path)) as container:
        rules = await container.get(IdentityRules)
    replicas = storage == "mysql"  # and no cache in common
    assert rules.alive_lasts == timedelta(seconds=0 if replicas else 5)


async def test_a_desk_waits_for_what_the_shop_is_just_making(container: AsyncContainer) -> None:
    """The container's locks are the event loop's, and on SQLite a unit runs in a thread."""
    [variant] = await stocked(container, 5)
    desk = await container.get(CartDesk)
    serving = asyncio.create_task(desk.run())
    command = AddItem(owner="guest:one", correlation="one", variant_id=variant, quantity=1)
    assert container.lock is not None
    async with container.lock:
        asked = asyncio.create_task(desk.ask(command))
        await asyncio.wait({asked}, timeout=0.05)
    assert [line.quantity for line in (await asked).cart.lines] == [1]
    await desk.drain()
    await serving


#: As `shop run` begins: up to a container for the settings that nobody has touched.
_BEGINS = """
import gc, sys
from shop.entrypoints.cli.common import load_structlog
load_structlog()
from shop.entrypoints.cli import processes
from shop.settings import Settings
processes._container(Settings())
"""


def _after_the_begin(look: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"{_BEGINS}\nprint({look})"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_what_few_people_need_does_not_slow_the_start() -> None:
    """Passkeys and QR codes are loaded by the first who asks for one, storage in memory by tests,
    the gateway by who has one, and what paints tracebacks by nobody who serves."""
    few = {"webauthn", "segno", "pyotp", "rich", "pygments", "shop.adapters.razorpay"}
    few |= {"shop.adapters.memory.catalog", "shop.adapters.memory.orders"}
    assert _after_the_begin(f"{few} & {{*sys.modules}}") == "set()"


def test_what_the_start_has_loaded_is_not_searched_for_garbage() -> None:
    assert _after_the_begin("gc.get_freeze_count() > 10 * len(gc.get_objects())") == "True"
