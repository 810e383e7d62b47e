"""A real process under a real signal: it loses no request, and nothing can hold it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.kit.process import PATIENCE, ROOT

PROCESS = Path(__file__).with_name("drain_process.py")


class Ports(Struct):
    http: int
    ops: int


class Shop:
    def __init__(self, process: asyncio.subprocess.Process, ports: Ports) -> None:
        self.process = process
        self.ports = ports

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[tuple[int, bytes]]]:
        """A request that will be answered when the block has ended."""
        slow = asyncio.create_task(Client(self.ports.http).ask("/slow", b"7"))
        assert self.process.stdout is not None
        while (line := await self.process.stdout.readline()) != b"at work\n":
            assert line, "It ended."
        yield slow
        assert not slow.done()
        self.process.send_signal(signal.SIGUSR1)

    async def told_to_stop(self) -> None:
        """SIGTERM, which it has heard when this returns."""
        self.process.send_signal(signal.SIGTERM)

        async def unready() -> bool:
            status, body = await get(self.ports.ops, "/readyz")
            return status == 503 and b'"status":"stopping"' in body

        async with asyncio.timeout(PATIENCE):
            await until(unready)

    async def stop(self) -> tuple[int, str, str]:
        """SIGTERM; the exit code and what was written."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> tuple[int, str, str]:
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


async def start(port: int = 0, extra: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, PROCESS, str(port), extra),
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def shop(extra: str = "") -> AsyncIterator[Shop]:
    process = await start(extra=extra)
    try:
        assert process.stdout is not None
        ports = msgspec.json.decode(await process.stdout.readline(), type=Ports)
        await listening(ports.http, process)
        yield Shop(process, ports)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)


async def refusing(port: int) -> None:
    """Until nobody listens any more."""
    with suppress(ConnectionRefusedError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await asyncio.sleep(0.02)


class Client:
    """A keep-alive connection that keeps count, and connects anew when it is asked to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.answers = 0
        self.lost = 0

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        headers = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(headers.split()[1])
        size = int(headers.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(size)
        if b"connection: close" in headers:
            self._writer.close()
            self._reader = self._writer = None
        return status, answer

    async def load(self, most: int) -> None:
        """Ask on and on until nobody listens any more; each request must get its own answer."""
        for number in range(most):
            body = b"%d" % number
            try:
                status, answer = await self.ask("/", body)
            except ConnectionRefusedError:
                return
            except (OSError, asyncio.IncompleteReadError):
                self.lost += 1
                return
            assert (status, answer) == (200, body)
            self.answers += 1
            await asyncio.sleep(0.005)  # idle connections are the ones that get lost


async def test_no_request_is_lost_when_the_process_is_told_to_stop() -> None:
    async with shop() as running:
        clients = [Client(running.ports.http) for _ in range(32)]
        load = [asyncio.create_task(client.load(2000)) for client in clients]

        async def warm() -> bool:
            return min(client.answers for client in clients) >= 5

        await until(warm)
        code, out, err = await running.stop()
        await asyncio.gather(*load)
    assert code == 0, out + err
    assert sum(client.lost for client in clients) == 0
    assert err == ""
    assert out.count('"status":200') == sum(client.answers for client in clients)


async def test_a_request_at_work_is_answered_before_the_end() -> None:
    async with shop() as running:
        async with running.at_work() as slow:
            await running.told_to_stop()
            await refusing(running.ports.http)
        assert await slow == (200, b"7")
        code, out, err = await running.ended()
    assert code == 0, out + err


async def half_sent(running: Shop, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", running.ports.http)
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.2)
    code, out, err = await running.stop()
    writer.close()
    assert code == 0, out + err
    assert "http_drain_cut" in out
    assert "InvalidStateError" not in out + err


async def test_half_a_header_cannot_hold_the_process() -> None:
    async with shop("hasty") as running:
        await half_sent(running, b"POST / HTTP/1.1\r\nhost: sh")


async def test_half_a_body_cannot_hold_the_process() -> None:
    async with shop("hasty") as running:
        await half_sent(running, b"POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 9\r\n\r\n123")


async def test_an_actor_that_keeps_crashing_ends_the_process_with_an_error() -> None:
    async with shop("crasher") as running:
        code, out, _ = await running.ended()
    assert code == 1
    assert '"actor_failed"' in out


async def test_an_actor_that_will_not_end_is_ended_with_the_process() -> None:
    async with shop("deaf") as running:
        code, out, _ = await running.stop()
    assert code == 70
    assert '"actor_abandoned"' in out
    assert '"stop_forced"' in out


async def test_a_second_process_on_the_port_is_refused_in_one_line() -> None:
    async with shop() as running:
        second = await start(running.ports.http)
        async with asyncio.timeout(PATIENCE):
            out, err = await second.communicate()
    assert second.returncode == 1
    assert out == b""
    assert err.decode().splitlines() == [
        f"Cannot listen on 127.0.0.1 port {running.ports.http}: address already in use."
    ]


async def get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: ops\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - what happens happens in another process
        await asyncio.sleep(0.02)


async def test_the_ops_port_answers_to_the_end_and_says_that_it_stops() -> None:
    async with shop() as running:
        ops = running.ports.ops
        assert await get(ops, "/healthz") == (200, b'{"status":"ok"}')
        assert (await get(ops, "/readyz"))[0] == 200
        assert (
            b'shop_actor_state{actor="http",state="running"} 1.0' in (await get(ops, "/metrics"))[1]
        )
        assert (await get(ops, "/other"))[0] == 404
        async with running.at_work() as slow:
            await running.told_to_stop()
            assert (await get(ops, "/healthz"))[0] == 200
        assert (await slow)[0] == 200
        assert (await running.ended())[0] == 0
