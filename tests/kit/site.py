"""The whole shop in process: edge, fast lane, app and actors, asked over ASGI without a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from dishka import AsyncContainer, Provider
from msgspec import Struct, field

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.checkout.expiry import Expiry
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.refunds import RefundSender
from shop.core.kernel.access import Role
from shop.core.kernel.ids import VariantId
from shop.core.notifications.service import Mailer
from shop.core.users.admins import Staffing
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.actors.consumer import Consumer
from shop.entrypoints.actors.desks import desks_of
from shop.entrypoints.actors.imports import ImportDesk
from shop.entrypoints.actors.relay import OutboxRelay
from shop.entrypoints.consumers.reactions import reactions
from shop.entrypoints.http.site import SiteRules
from shop.ports.bus import DeadLetters, EventBus, Feeds
from shop.ports.outbox import Outbox
from shop.ports.sandbox import SandboxBooks
from shop.ports.system import Clock, Lease
from shop.settings import Settings
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.framework import a_site
from tests.kit.goods import stocked

API = "/api/v1"
ADMIN = "/api/v1/admin"
PASSWORD = "three green kettles"
HOME = {
    "name": "A. Buyer",
    "phone": "+919845012345",
    "street": "4 Temple Street",
    "city": "Mysuru",
    "state": "KA",
    "zipcode": "570001",
}
Headers = dict[str, str]


class Shop(Struct):
    """A shop and a stranger's way to it."""

    container: AsyncContainer
    client: httpx.AsyncClient
    clock: ManualClock
    watch: CatalogWatch
    edge: Any
    relay: OutboxRelay
    consumers: list[Consumer]
    keys: Any = field(default_factory=lambda: count(1))

    async def goods(self, *stocks: int, **more: Any) -> list[VariantId]:
        """Products with that many on the shelf, seen by the readers at once."""
        made = await stocked(self.container, *stocks, **more)
        await self.watch.look()
        return made

    def key(self) -> Headers:
        return {"Idempotency-Key": f"key-{next(self.keys)}"}

    async def guest(self, variant: Any, quantity: int = 1) -> Headers:
        """A guest with that in the cart."""
        body = {"variant_id": str(variant), "quantity": quantity}
        answer = await self.client.post(f"{API}/cart/items", json=body)
        assert answer.status_code == 200, answer.text
        return {"X-Cart-Token": answer.headers["x-cart-token"]}

    async def put(self, who: Headers, variant: Any, quantity: int = 1) -> httpx.Response:
        body = {"variant_id": str(variant), "quantity": quantity}
        return await self.client.post(f"{API}/cart/items", json=body, headers=who)

    async def check_out(self, who: Headers, **changes: Any) -> httpx.Response:
        """With a key of its own, unless `who` has one."""
        body = {"payment_method": "online", "shipping_address": HOME, "email": "a@example.com"}
        given = {k: v for k, v in (body | changes).items() if v is not None}
        headers = {**self.key(), **who}
        return await self.client.post(f"{API}/checkout", json=given, headers=headers)

    async def order(self, quantity: int = 2, **changes: Any) -> dict[str, Any]:
        """A guest's order of one product; the answer of checkout, with the headers that open it."""
        [variant] = await self.goods(20)
        answer = await self.check_out(await self.guest(variant, quantity), **changes)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return {**placed, "opens": {"X-Order-Token": placed["order_token"]}, "variant": variant}

    async def press(self, url: str, outcome: str = "success") -> httpx.Response:
        """A button of the sandbox's page; the answer is the redirect to the callback."""
        return await self.client.post(urlsplit(url).path, data={"outcome": outcome})

    async def pay(self, placed: dict[str, Any]) -> None:
        back = await self.press(placed["payment"]["url"])
        assert back.status_code == 303, back.text
        seen = await self.client.get(back.headers["location"])
        assert seen.status_code == 303, seen.text

    async def hooks(self) -> list[tuple[bytes, Headers]]:
        """The signed webhooks that wait, the oldest first."""
        books = await self.container.get(SandboxBooks)
        gateway = await self.container.get(SandboxGateway)
        due = await books.due(self.clock.now(), 50)
        return [
            (
                hook.body,
                {"X-Razorpay-Signature": gateway.sign(hook.body), "X-Razorpay-Event-Id": hook.id},
            )
            for hook in due
        ]

    async def hook(self, body: bytes, headers: Headers) -> httpx.Response:
        return await self.client.post("/webhooks/razorpay", content=body, headers=headers)

    async def somebody(self, email: str, *roles: Role) -> Headers:
        """An account that has signed in."""
        async with self.container() as scope:
            staffing = await scope.get(Staffing)
            await staffing.hire(email, PASSWORD, "Somebody", frozenset({Role.CUSTOMER, *roles}))
        body = {"email": email, "password": PASSWORD}
        answer = await self.client.post(f"{API}/login", json=body)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def staff(self) -> Headers:
        return await self.somebody("staff@example.com", Role.STAFF)

    async def settle_down(self) -> None:
        """Let everything that runs by itself run until nothing is left to do."""
        while await self.relay.relay():
            pass
        for consumer in self.consumers:
            while await consumer.consume():
                pass
        for kind, work in (
            (Expiry, "run_once"),
            (RefundSender, "send_due"),
            (PaymentLinks, "create_missing"),
            (Mailer, "send_due"),
        ):
            async with self.container() as scope:
                await getattr(await scope.get(kind), work)()


@asynccontextmanager
async def a_shop(
    storage: str, folder: Path, *overrides: Provider, limits: bool = False, **changes: Any
) -> AsyncIterator[Shop]:
    """The real wiring with its desks at work. Time stands still unless moved."""
    async with running(settings_for(storage, folder, **changes), *overrides) as container:
        settings = await container.get(Settings)
        sandbox = settings.payments.provider == "sandbox"
        async with a_site(container, SiteRules(limits=limits, sandbox=sandbox)) as site:
            watch = await container.get(CatalogWatch)
            desks = await desks_of(container)
            imports = await container.get(ImportDesk)
            clock = await container.get(Clock)
            assert isinstance(clock, ManualClock)
            actors: list[Any] = [*desks, watch, imports]
            tasks = [asyncio.create_task(actor.run()) for actor in actors]
            transport = httpx.ASGITransport(site.edge, raise_app_exceptions=False)
            try:
                await watch.look()
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://localhost:8000"
                ) as client:
                    yield Shop(
                        container=container,
                        client=client,
                        clock=clock,
                        watch=watch,
                        edge=site.edge,
                        relay=await _relay(container),
                        consumers=await _consumers(container),
                    )
            finally:
                for desk in desks:
                    await desk.drain()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _relay(container: AsyncContainer) -> OutboxRelay:
    outbox, bus = await container.get(Outbox), await container.get(EventBus)
    return OutboxRelay(outbox, bus, await container.get(Lease), await container.get(Clock), "test")


async def _consumers(container: AsyncContainer) -> list[Consumer]:
    feeds, dead = await container.get(Feeds), await container.get(DeadLetters)
    clock = await container.get(Clock)
    return [Consumer(reaction, feeds, dead, clock) for reaction in reactions(container)]
