"""Answers for reads of the catalogue, as bytes kept in memory, before any routing.

Pure ASGI. A hit costs a dictionary look-up and two sends of messages made beforehand. A miss runs
the app behind once, however many ask at the same moment, and gives its answer an `ETag`: a hash
of the bytes, so that it is the same on every replica. What is kept belongs to one state of the
catalogue (see `CatalogWatch`) and is dropped with it. Where replicas share a cache, what one made
for a state is there for the others.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterable
from datetime import timedelta
from hashlib import blake2b

import msgspec

from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.http.asgi import App, Header, Message, Receive, Scope, Send
from shop.entrypoints.http.edge import Prepared
from shop.ports.cache import Cache

Key = tuple[str, bytes]

_LIST = "/api/v1/products"
_ONE = "/api/v1/products/"
_ROUTES = {
    _LIST: _LIST,
    "/api/v1/categories": "/api/v1/categories",
    "/api/v1/search/suggest": "/api/v1/search/suggest",
}
_PRODUCT = "/api/v1/products/{product}"
_CACHE: Header = (b"cache-control", b"public, max-age=0, must-revalidate")
_TAG = re.compile(rb'(?:W/)?("[^"]*")')
#: In the common cache. Short, since a database brought back from a backup counts anew.
_LASTS = timedelta(minutes=1)
_Kept = tuple[list[Header], bytes]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode
_OVERHEAD = 2_048  # of an entry beside its body: headers, messages, the key's objects
_OWN = frozenset({b"etag", b"cache-control", b"content-length"})


class _Entry:
    """An answer, ready to be sent in each of its forms."""

    __slots__ = ("etag", "found", "size", "unchanged")

    def __init__(self, route: str, headers: list[Header], body: bytes) -> None:
        self.etag = b'"%b"' % blake2b(body, digest_size=16).hexdigest().encode()
        kept = [header for header in headers if header[0].lower() not in _OWN]
        tagged = [(b"etag", self.etag), _CACHE]
        length = (b"content-length", str(len(body)).encode())
        whole: Message = {"type": "http.response.body", "body": body, "more_body": False}
        self.found = Prepared(200, [*kept, length, *tagged], whole, route)
        # What goes with a body is left out, as RFC 9110 section 15.4.5 asks.
        self.unchanged = Prepared(304, tagged, _EMPTY, route)
        self.size = len(body) + _OVERHEAD

    def form(self, headers: Iterable[Header]) -> Prepared:
        """What the caller needs, who may have it already."""
        for name, value in headers:
            if name == b"if-none-match" and _holds(value, self.etag):
                return self.unchanged
        return self.found


_EMPTY: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def lane_route(path: str) -> str | None:
    """The template of a route that has its answers here."""
    if (route := _ROUTES.get(path)) is not None:
        return route
    ours = path.startswith(_ONE) and path != _ONE and "/" not in path[len(_ONE) :]
    return _PRODUCT if ours else None


class FastLane:
    def __init__(
        self,
        app: App,
        watch: CatalogWatch,
        most_bytes: int = 16 * 2**20,
        shared: Cache | None = None,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self._app = app
        self._watch = watch
        self._most = most_bytes
        self._common = shared
        self._size = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._count: int | None = None
        self._loading: dict[tuple[Key, int], asyncio.Future[_Entry | None]] = {}

    def ready(self, scope: Scope) -> Prepared | None:
        """An answer to a GET that is in memory; nothing is waited for."""
        if self._watch.count != self._count or scope["method"] != "GET":
            return None
        key = scope["path"], scope["query_string"]
        entry = self._entries.get(key)
        if entry is None:
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.form(scope["headers"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        route = lane_route(path)
        if route is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "GET" and scope["method"] != "HEAD":
            await self._app(scope, receive, _with_head(send))
            return
        scope["shop.route"] = route
        key = path, scope["query_string"]
        count = self._watch.count
        if count != self._count:
            self._forget(count)
        entry = self._entries.get(key)
        if entry is not None:
            self.hits += 1
            self._entries.move_to_end(key)
        else:
            self.misses += 1
            entry = await self._shared(key, count, scope, receive, send)
            if entry is None:
                return
        await self._answer(entry, scope, send)

    async def _answer(self, entry: _Entry, scope: Scope, send: Send) -> None:
        form = entry.form(scope["headers"])
        await send({"type": "http.response.start", "status": form.status, "headers": form.headers})
        await send(form.body if scope["method"] == "GET" else _EMPTY)

    async def _shared(
        self, key: Key, count: int | None, scope: Scope, receive: Receive, send: Send
    ) -> _Entry | None:
        """The answer, made by the first who asks; None when the app has answered by itself."""
        # Who asks after a change must not be given an answer begun before it. While changes are
        # unknown, when the database may be what is overrun, those of one second share one.
        loading = key, count if count is not None else -int(asyncio.get_running_loop().time())
        under_way = self._loading.get(loading)
        if under_way is not None:
            entry = await asyncio.shield(under_way)
            return entry or await self._load(scope, receive, send)
        mine = self._loading[loading] = asyncio.get_running_loop().create_future()
        entry = None
        try:
            entry = await self._fetch(key, count, scope, receive, send)
        finally:
            del self._loading[loading]
            mine.set_result(entry)
        # Only what was made while the catalogue stood still belongs to its state.
        if entry is not None and count is not None and self._watch.count == count == self._count:
            self._keep(key, entry)
        return entry

    async def _fetch(
        self, key: Key, count: int | None, scope: Scope, receive: Receive, send: Send
    ) -> _Entry | None:
        """What another replica made for the same state, else our own."""
        if self._common is None or count is None:
            return await self._load(scope, receive, send)
        name = _name(key, count)
        if (kept := await self._common.get(name)) is not None:
            headers, body = _decode(kept)
            return _Entry(scope["shop.route"], headers, body)
        entry = await self._load(scope, receive, send)
        if entry is not None:
            made: _Kept = entry.found.headers, entry.found.body["body"]
            await self._common.put(name, _encode(made), _LASTS)
        return entry

    async def _load(self, scope: Scope, receive: Receive, send: Send) -> _Entry | None:
        started: Message | None = None
        parts: list[bytes] = []

        async def capture(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
                if message["status"] != 200:  # noqa: PLR2004 - only what was found is kept
                    await send(message)
            elif started is not None and started["status"] != 200:  # noqa: PLR2004
                await send(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self._app(asked, receive, capture)
        if started is None:
            raise RuntimeError("The app gave no answer.")
        if started["status"] != 200:  # noqa: PLR2004
            return None
        return _Entry(scope["shop.route"], list(started["headers"]), b"".join(parts))

    def _keep(self, key: Key, entry: _Entry) -> None:
        size = entry.size + len(key[0]) + len(key[1])
        entry.size = size
        if size > self._most // 8:
            return
        self._entries[key] = entry
        self._size += size
        while self._size > self._most:
            _, oldest = self._entries.popitem(last=False)
            self._size -= oldest.size

    def _forget(self, count: int | None) -> None:
        self._entries.clear()
        self._size = 0
        self._count = count


def _with_head(send: Send) -> Send:
    """The app behind does not know that the lane answers HEAD, so its `Allow` leaves it out."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, value + b", HEAD") if name.lower() == b"allow" else (name, value)
                for name, value in message["headers"]
            ]
        await send(message)

    return tell


def _name(key: Key, count: int) -> str:
    path, query = key
    asked = blake2b(path.encode() + b"?" + query, digest_size=16).hexdigest()
    return f"catalog:{count}:{asked}"


def _holds(if_none_match: bytes, etag: bytes) -> bool:
    """Whether one of the tags is ours; weak comparison, as RFC 9110 section 13.1.2 asks."""
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return etag in _TAG.findall(if_none_match)
