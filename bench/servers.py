"""The processes under test: started on their core, watched through /proc, ended by their id."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from bench.load import HOST, fetch, http

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 12.0
START_SECONDS = 30.0
QUIET_SECONDS = 15.0
POLL = 0.005
TICKS = os.sysconf("SC_CLK_TCK")
OK = 200


class BenchError(Exception):
    """The bench cannot go on; the message says why in a line."""


class Cores(Struct, frozen=True):
    """One core for the servers, another for the load; None where the machine has no two."""

    server: int | None
    load: int | None

    @property
    def all(self) -> frozenset[int]:
        """Empty where nothing is pinned."""
        return frozenset(core for core in (self.server, self.load) if core is not None)

    @classmethod
    def choose(cls) -> "Cores":
        if not hasattr(os, "sched_setaffinity"):
            return cls(None, None)
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned: servers and load share what cores there are"
        return f"servers on core {self.server}, load on core {self.load}"


@contextmanager
def pinned(core: int | frozenset[int] | None) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on one core, or on some."""
    chosen = frozenset() if core is None else frozenset({core}) if isinstance(core, int) else core
    if not chosen:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """What a process has had of the processors so far, all its threads together."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Server:
    """One process of ours; its output goes to `log`, whose end is shown when it fails."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        core: int | frozenset[int] | None,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._command, self._core, self._log = command, core, log
        self._environ = dict(environ or os.environ)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._process is None or self._process.returncode is not None:
            raise BenchError(f"{self._command[-1]} is not running: {tail(self._log)}")
        return self._process.pid

    async def start(self) -> None:
        with self._log.open("ab") as log, pinned(self._core):
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._environ,
                start_new_session=True,  # Ctrl-C reaches the bench alone, which then ends this
            )

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()

    async def answers(self, path: str) -> None:
        """Return once `path` answers 200."""
        deadline = perf_counter() + START_SECONDS
        while perf_counter() < deadline:
            _ = self.pid
            if await self._answers_now(path):
                return
            await asyncio.sleep(POLL)
        raise BenchError(f"{path} gave no 200 within {START_SECONDS:g} s: {tail(self._log)}")

    async def _answers_now(self, path: str) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, self.port)):
                return False
        try:
            (answer,) = await fetch(self.port, [http("GET", path)], within=5.0)
        except TimeoutError:
            return False
        return answer is not None and answer.status == OK

    def memory(self) -> float:
        """MiB resident, with its children."""
        pids, total = [self.pid], 0
        while pids:
            process = Path("/proc") / str(pids.pop())
            for line in (process / "status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
            for children in process.glob("task/*/children"):
                pids += map(int, children.read_text().split())
        return total / 1024

    async def quiet(self) -> bool:
        """Wait until work left over from an earlier load is done: under a tenth of a core."""
        deadline = perf_counter() + QUIET_SECONDS
        while perf_counter() < deadline:
            before, start = cpu_seconds(self.pid), perf_counter()
            await asyncio.sleep(0.3)
            if cpu_seconds(self.pid) - before < 0.1 * (perf_counter() - start):
                return True
        return False


def tail(log: Path) -> str:
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return "\n" + "\n".join(text.splitlines()[-20:]) if text else "it printed nothing"


class Shop(Server):
    """The real shop on a data folder of its own, configured by its environment alone."""

    def __init__(
        self,
        folder: Path,
        core: int | frozenset[int] | None,
        more: Mapping[str, str] | None = None,
        role: str = "all",
    ) -> None:
        port, data = free_port(), folder / "data"
        own = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
        own.pop("PYTHONDONTWRITEBYTECODE", None)  # starts are measured with warm bytecode
        own |= {
            "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
            "SHOP_DATA_DIR": str(data),
            "SHOP_HTTP_PORT": str(port),
            "SHOP_OPS_PORT": str(free_port()),
            "SHOP_SITE_URL": f"http://{HOST}:{port}",
            "SHOP_LIMITS_ENABLED": "false",
            "SHOP_LOG_LEVEL": "warning",
            **(more or {}),
        }
        command = [sys.executable, "-m", "shop", "run", "--role", role]
        config = ROOT / "config" / "shop.toml"
        if config.exists():
            command += ["--config", str(config)]
        super().__init__(command, port, core, folder / f"shop-{role}.log", own)
        self.folder = folder
        self.database = data / "shop.db"

    async def call(self, *arguments: str, within: float = 300.0) -> tuple[int, str]:
        """Run a `shop` command on the same data; its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "shop", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=self._environ,
            start_new_session=True,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), within)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace").strip()

    async def must(self, *arguments: str) -> None:
        code, output = await self.call(*arguments)
        if code:
            raise BenchError(f"shop {arguments[0]} ended with {code}: {output[-1500:]}")


def bare(folder: Path, core: int | None) -> Server:
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), str(port)]
    return Server(command, port, core, folder / "bare.log")
