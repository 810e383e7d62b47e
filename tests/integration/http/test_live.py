"""The live timeline goes only to who may see it still."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from shop.entrypoints.http.api.live import Streams
from tests.kit.site import API, Headers, Shop


class Stream:
    """Asked by hand, because the client used elsewhere waits for the end of an answer."""

    def __init__(self, shop: Shop, path: str, who: Headers) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode()) for k, v in who.items()],
            "client": ("127.0.0.1", 1),
            "server": (urlsplit(str(shop.client.base_url)).hostname, 8000),
            "state": {},
        }
        self._task = asyncio.create_task(shop.edge(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await self.ended.wait()  # the browser stays to the end
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        if b"event: status" in message.get("body", b""):
            self.begun.set()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended.set()

    async def hang_up(self) -> None:
        self.ended.set()
        await self._task

    async def end(self) -> None:
        await self.ended.wait()
        await self._task


async def test_a_stream_ends_with_the_session_it_was_opened_in(site: Shop) -> None:
    asha = await site.somebody("asha@example.com")
    [variant] = await site.goods(5)
    await site.put(asha, variant)
    placed = (await site.check_out(asha, email=None)).json()
    stream = Stream(site, f"{API}/orders/{placed['order']['id']}/events", asha)
    async with asyncio.timeout(30):
        await stream.begun.wait()
        assert (await site.client.post(f"{API}/logout", headers=asha)).status_code == 204
        await stream.end()  # it would go on for five minutes


async def test_streams_keep_room_for_others(site: Shop) -> None:
    streams = await site.container.get(Streams)
    streams._most = 1  # noqa: SLF001
    [variant] = await site.goods(5)
    guest = await site.guest(variant)
    placed = (await site.check_out(guest)).json()
    token = {"X-Order-Token": placed["order_token"]}
    path = f"{API}/orders/{placed['order']['id']}/events"
    first = Stream(site, path, token)
    async with asyncio.timeout(30):
        await first.begun.wait()
        second = await site.client.get(path, headers=token)
        assert (second.status_code, second.json()["code"]) == (503, "unavailable")
        await first.hang_up()
        third = Stream(site, path, token)
        await third.begun.wait()
        await third.hang_up()
