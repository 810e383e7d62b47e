"""A small proxy before two versions of the shop, as an ingress is: it keeps connections alive on
both sides, sends each request to whoever serves just now, and never repeats one."""

import asyncio
import threading
from collections import Counter
from typing import Self

_HEAD = b"\r\n\r\n"
_NO_BODY = (b"HTTP/1.1 204", b"HTTP/1.1 304")

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Runs on a loop and thread of its own. `served` counts answers by the port that gave them."""

    def __init__(self) -> None:
        self.served: Counter[int] = Counter()
        #: What a customer would have seen as a 502.
        self.failed: list[str] = []
        self.port = 0
        self._target = 0
        self._idle: dict[int, list[Pipe]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def switch(self, port: int) -> None:
        """From the next request on it is this one's turn; what is under way ends where it began."""

        async def now() -> None:
            self._target = port

        asyncio.run_coroutine_threadsafe(now(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        everyone = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everyone:
            task.cancel()
        await asyncio.gather(*everyone, return_exceptions=True)
        for _, writer in (pipe for pipes in self._idle.values() for pipe in pipes):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                try:
                    head = await reader.readuntil(_HEAD)
                except asyncio.IncompleteReadError:
                    return
                writer.write(await self._answer(head + await _body(reader, head)))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _answer(self, request: bytes) -> bytes:
        port = self._target
        try:
            pipe = await self._pipe(port)
            answer, stays = await _asked(pipe, request)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failed.append(f"{request.partition(_HEAD)[0].split()[:2]} at {port}: {error!r}")
            return b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
        self.served[port] += 1
        if stays:
            self._idle.setdefault(port, []).append(pipe)
        else:
            pipe[1].close()
        return answer

    async def _pipe(self, port: int) -> Pipe:
        """One that is open already, if there is one."""
        if idle := self._idle.get(port):
            return idle.pop()
        return await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)


async def _asked(pipe: Pipe, request: bytes) -> tuple[bytes, bool]:
    """The whole answer, and whether its connection may be used again."""
    reader, writer = pipe
    writer.write(request)
    head = await reader.readuntil(_HEAD)
    body = b"" if head.startswith(_NO_BODY) else await _body(reader, head)
    stays = _field(head, b"connection") != b"close"
    if not stays:  # between the two of us; the client's connection is another one
        lines = head.split(b"\r\n")
        head = b"\r\n".join(one for one in lines if not one.lower().startswith(b"connection:"))
    return head + body, stays


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if _field(head, b"transfer-encoding") != b"chunked":
        return await reader.readexactly(int(_field(head, b"content-length") or 0))
    whole = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        whole += line + await reader.readexactly(size + 2)
        if size == 0:
            return whole


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().lower()
    return b""
