"""The real binary, as an operator starts it: a folder, free ports, and processes that end."""

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes, policy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
PASSWORD = "correct-horse-7-battery"
#: The answer to a purchase comes long before; a test that hangs shall say where.
TIMEOUT = 30.0
HOME = {
    "name": "A. Buyer",
    "phone": "+919845012345",
    "street": "4 Temple Street",
    "city": "Mysuru",
    "state": "KA",
    "zipcode": "570001",
    "country": "IN",
}
#: Reading the system's takes longer than most requests, and nothing here is encrypted.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
#: Cheap passwords and no limits, unless the test is about them.
_CHEAP = {
    "SHOP_PASSWORDS_MEMORY_KIB": "64",
    "SHOP_PASSWORDS_TIME_COST": "1",
    "SHOP_LIMITS_ENABLED": "false",
    "SHOP_LOG_FORMAT": "json",
}


def _ports() -> Iterator[int]:
    """Below the range of the system's own, so that no connection takes one meanwhile.

    Tests that run side by side have a part of the range each, and no port comes twice before all
    others have come: what is free when it is given is free still when it is used.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = range(20_000 + worker, 32_000, workers)
    return itertools.cycle(random.SystemRandom().sample(own, len(own)))


_PORTS = _ports()


def free_port() -> int:
    for port in _PORTS:
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("The ports never end.")


def until(condition: Callable[[], Any], within: float = PATIENCE, pause: float = 0.02) -> Any:
    """The first true answer of `condition`; fails when none has come in time."""
    end = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < end, f"Never came true: {condition}"
        time.sleep(pause)
    return answer


class Running:
    """A process of the shop; what it wrote is read from files, so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path, ops: int) -> None:
        self.process = process
        self.ops = ops
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.out.splitlines()]

    def ask(self, path: str) -> httpx.Response:
        """GET from the ops port."""
        url = f"http://127.0.0.1:{self.ops}{path}"
        return httpx.get(url, timeout=TIMEOUT, verify=_NO_CERTIFICATES)

    def ready(self) -> Self:
        def says() -> bool:
            assert self.process.poll() is None, f"It ended: {self.out}{self.err}"
            with contextlib.suppress(httpx.TransportError):
                return self.ask("/readyz").status_code == 200
            return False

        until(says)
        return self

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self, within: float = PATIENCE) -> int:
        return self.process.wait(within)

    def stop(self) -> int:
        self.signal()
        return self.ended()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a database on a server."""
    # A plugin of the tests, which pytest must be the first to import.
    from tests.kit.databases import apart, query  # noqa: PLC0415

    return apart(lambda: query(url, statement.replace("?", "%s"), *values))


class Shop:
    """A data folder with its two ports. Leaving the block ends whatever still runs."""

    started_as: type[Running] = Running

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port, self.ops = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = environ
        self._started: list[Running] = []
        self._clients: list[httpx.Client] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._started:
            one.kill()
        for client in self._clients:
            client.close()

    @property
    def program(self) -> list[str]:
        return [sys.executable, "-m", "shop"]

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Nothing of ours but what is said here; `PATH` and the coverage's variables stay."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SHOP_", "TEST_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling is two thirds of a first start
        own = {
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache"),
            "SHOP_DATA_DIR": str(self.data),
            "SHOP_HTTP_PORT": str(self.port),
            "SHOP_OPS_PORT": str(self.ops),
            "SHOP_SITE_URL": self.url,
        }
        return kept | own | _CHEAP | self._environ | dict(more or {})

    def start(self, *words: str, **environ: str) -> Running:
        """`shop run` with these words."""
        number = len(self._started)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        env = self.environ(environ)
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603
                [*self.program, "run", *words],
                env=env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        running = self.started_as(process, out, err, int(env["SHOP_OPS_PORT"]))
        self._started.append(running)
        return running

    def run(self, *words: str, **environ: str) -> Running:
        """The same, and wait until it is ready."""
        return self.start(*words, **environ).ready()

    def beside(self, *words: str) -> Running:
        """One more process on the same folder, with an ops port of its own."""
        return self.run(*words, SHOP_OPS_PORT=str(free_port()))

    def command(self, *words: object, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(  # noqa: S603
            [*self.program, *(str(word) for word in words)],
            env=self.environ(environ),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def client(self) -> httpx.Client:
        """Closed with the shop."""
        client = httpx.Client(base_url=self.url, timeout=TIMEOUT, verify=_NO_CERTIFICATES)
        self._clients.append(client)
        return client

    @property
    def server(self) -> str:
        """The URL of its database, when that is no file."""
        return self._environ.get("SHOP_DATABASE_URL", "")

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What is in the database just now."""
        if self.server:
            return ask(self.server, statement, *values)
        with contextlib.closing(sqlite3.connect(self.data / "shop.db", timeout=10)) as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object) -> None:
        """Change the database behind the shop's back."""
        if self.server:
            ask(self.server, statement, *values)
            return
        with contextlib.closing(sqlite3.connect(self.data / "shop.db", timeout=10)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def mails(self, to: str = "") -> list[Any]:
        """The mails in the folder, those to an address or all."""
        files = sorted((self.data / "mail").glob("*.eml"))
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in mails if not to or mail["To"] == to]

    def confirmations(self, number: str) -> list[Any]:
        """The mails that confirm the order of that number."""
        return [
            mail
            for mail in self.mails()
            if "confirm" in mail["Subject"].lower() and number in mail["Subject"]
        ]


class Purchase:
    """One buyer's way from a cart to a paid order. Each step may be repeated after a crash."""

    def __init__(self, variant: str, name: str, quantity: int = 1) -> None:
        self.variant = variant
        self.email = f"{name}@example.com"
        self.key = f"key-{name}"
        self.quantity = quantity
        self.cart = ""
        self.placed: dict[str, Any] = {}

    def fill(self, client: httpx.Client) -> None:
        if self.cart:
            return
        body = {"variant_id": self.variant, "quantity": self.quantity}
        answer = client.post("/api/v1/cart/items", json=body)
        assert answer.status_code in {200, 201}, answer.text
        self.cart = answer.headers["x-cart-token"]

    @property
    def body(self) -> dict[str, Any]:
        return {"email": self.email, "shipping_address": HOME, "payment_method": "online"}

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Cart-Token": self.cart, "Idempotency-Key": self.key}

    def check_out(self, client: httpx.Client) -> httpx.Response:
        answer = client.post("/api/v1/checkout", json=self.body, headers=self.headers)
        if answer.status_code == 201:
            self.placed = answer.json()
        return answer

    def press(self, client: httpx.Client, outcome: str = "success") -> str:
        """Press a button of the payment page; where the browser is sent."""
        answer = client.post(self.placed["payment"]["url"], data={"outcome": outcome})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def pay(self, client: httpx.Client) -> None:
        """Press, and come back from the gateway."""
        answer = client.get(self.press(client), follow_redirects=True)
        assert answer.status_code == 200, answer.text

    def whole(self, client: httpx.Client) -> None:
        """All of it, or what is left of it."""
        self.fill(client)
        answer = self.check_out(client)
        assert answer.status_code == 201, answer.text
        self.pay(client)

    @property
    def id(self) -> str:
        order: str = self.placed["order"]["id"]
        return order

    @property
    def number(self) -> str:
        number: str = self.placed["order"]["number"]
        return number

    @property
    def token(self) -> dict[str, str]:
        return {"X-Order-Token": self.placed["order_token"]}

    def order(self, client: httpx.Client) -> dict[str, Any]:
        answer = client.get(f"/api/v1/orders/{self.id}", headers=self.token)
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order


def variant_of(client: httpx.Client, slug: str = "mug") -> dict[str, Any]:
    """The only variant of a product."""
    answer = client.get(f"/api/v1/products/{slug}")
    assert answer.status_code == 200, answer.text
    variant: dict[str, Any] = answer.json()["variants"][0]
    return variant


CATALOGUE = "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\n"


def filled(folder: Path, server: str = "") -> Path:
    """The data folder of a shop that sells 500 mugs and 1 vase; copy it, for it is made slowly.

    With a `server` the goods are in that database instead.
    """
    given = {"SHOP_DATABASE_URL": server} if server else {}
    with Shop(folder, **given) as shop:
        shop.data.mkdir(exist_ok=True)
        file = folder / "goods.csv"
        file.write_text(CATALOGUE + "mug,Mug,MUG-1,500,250.00\nvase,Vase,VASE-1,1,900.00\n")
        done = shop.command("import", file, "--format", "shopify")
        assert done.returncode == 0, done.stderr
        return shop.data
