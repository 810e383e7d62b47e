"""What a load is, and the bundled client that drives one where wrk is missing."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol, cast

import msgspec
from msgspec import Struct

from bench.report import percentile

HOST = "127.0.0.1"
RETRY_PAUSE = 0.01
DRAIN_SECONDS = 10.0


class Load(Struct, frozen=True):
    """Whole HTTP requests for one port, sent in turn: over and over, or each `once`."""

    port: int
    requests: tuple[bytes, ...]
    once: bool = False


class Outcome(Struct, frozen=True):
    """`errors` are answers of 400 and above and broken connections; they are not in `good`.

    `undecided` is how many requests may have been carried out without their answer being counted.
    """

    good: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    ran_out: bool = False
    undecided: int = 0

    @property
    def rate(self) -> float:
        return self.good / self.seconds if self.seconds else 0.0


class Answer(Struct, frozen=True):
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, or "" where the answer has none of that name."""
        wanted = name.lower().encode()
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == wanted:
                return value.strip().decode()
        return ""


class Generator(Protocol):
    """Whoever keeps so many connections busy for so long and says what came of it."""

    name: str

    @abstractmethod
    async def drive(self, load: Load, connections: int, seconds: int) -> Outcome: ...


def http(
    method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    payload = b"" if body is None else msgspec.json.encode(body)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload


def parse(data: bytes) -> Answer | None:
    """The answer at the start of `data`, or None while some of it has not come yet."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, status, rest = data[:end], int(data[9:12]), data[end + 4 :]
    lowered = head.lower() + b"\r\n"
    if status in {204, 304}:
        return Answer(status, head, b"")
    at = lowered.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(lowered[at + 17 : lowered.index(b"\r\n", at + 2)])
        return Answer(status, head, rest[:length]) if len(rest) >= length else None
    if b"\r\ntransfer-encoding: chunked\r\n" in lowered:
        body = _unchunk(rest)
        return None if body is None else Answer(status, head, body)
    return Answer(status, head, rest)


def _unchunk(data: bytes) -> bytes | None:
    parts: list[bytes] = []
    at = 0
    while (line_end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line_end].split(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if size == 0:
            return b"".join(parts)
        parts.append(data[start : start + size])
        at = start + size + 2
    return None


class _Turn:
    """One run: hands out the next request, and keeps what was answered."""

    def __init__(self, load: Load, deadline: float, *, keep: bool) -> None:
        self._requests, self._once, self._deadline = load.requests, load.once, deadline
        self._next = 0
        self.answers: list[Answer | None] | None = [None] * len(load.requests) if keep else None
        self.latencies: list[float] = []
        self.good = self.errors = 0
        self.ran_out = False

    def take(self) -> tuple[int, bytes] | None:
        """None when the time or the requests are used up."""
        if perf_counter() >= self._deadline:
            return None
        if self._once and self._next >= len(self._requests):
            self.ran_out = True
            return None
        index = self._next % len(self._requests)
        self._next += 1
        return index, self._requests[index]

    def record(self, index: int, answer: Answer, seconds: float) -> None:
        self.latencies.append(seconds)
        if answer.status < 400:  # noqa: PLR2004 - the border that wrk draws as well
            self.good += 1
        else:
            self.errors += 1
        if self.answers is not None:
            self.answers[index] = answer


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    def __init__(self, turn: _Turn) -> None:
        self._turn = turn
        self._buffer = b""
        self._flying: tuple[int, float] | None = None
        self._transport: asyncio.Transport | None = None
        self.finished = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by duck typing
        self._send(self._transport)

    def _send(self, transport: asyncio.Transport) -> None:
        taken = self._turn.take()
        if taken is None:
            self.finished = True
            transport.close()
            return
        index, request = taken
        self._flying = index, perf_counter()
        transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = parse(self._buffer)
        if answer is None or self._flying is None or self._transport is None:
            return
        index, sent = self._flying
        self._buffer, self._flying = b"", None
        self._turn.record(index, answer, perf_counter() - sent)
        self._send(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._flying is not None:
            self._turn.errors += 1
        if not self.closed.done():
            self.closed.set_result(None)


async def _busy(port: int, turn: _Turn, deadline: float) -> None:
    """Keep one connection at work until the turn is over; open it again when it is cut."""
    loop = asyncio.get_running_loop()
    while perf_counter() < deadline:
        try:
            _, connection = await loop.create_connection(lambda: _Connection(turn), HOST, port)
        except OSError:
            turn.errors += 1
            await asyncio.sleep(RETRY_PAUSE)
            continue
        await connection.closed
        if connection.finished:
            return
        await asyncio.sleep(RETRY_PAUSE)


async def _run(load: Load, connections: int, seconds: float, *, keep: bool) -> tuple[_Turn, float]:
    start = perf_counter()
    turn = _Turn(load, start + seconds, keep=keep)
    busy = [_busy(load.port, turn, start + seconds) for _ in range(connections)]
    async with asyncio.timeout(seconds + DRAIN_SECONDS):
        await asyncio.gather(*busy)
    return turn, perf_counter() - start


class Client:
    """The bundled generator: slower than wrk, so its ratios to a fast route flatter the shop."""

    name = "bundled asyncio client (slower than wrk: ratios to the bare route come out too high)"

    async def drive(self, load: Load, connections: int, seconds: int) -> Outcome:
        turn, took = await _run(load, connections, seconds, keep=False)
        return Outcome(
            good=turn.good,
            errors=turn.errors,
            seconds=took,
            p50_ms=percentile(turn.latencies, 50) * 1000,
            p99_ms=percentile(turn.latencies, 99) * 1000,
            ran_out=turn.ran_out,
        )


async def fetch(
    port: int, requests: Sequence[bytes], connections: int = 32, within: float = 180.0
) -> list[Answer | None]:
    """Send each request once and return the answers in that order; None where none came."""
    load = Load(port, tuple(requests), once=True)
    turn, _ = await _run(load, min(connections, len(requests)), within, keep=True)
    return turn.answers or []
