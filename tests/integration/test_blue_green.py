"""Two versions of the shop side by side, as `deploy/release` has them: not one request fails."""

import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from shop.adapters.sql import schema
from tests.kit.databases import DATABASES
from tests.kit.process import (
    ROOT,
    TIMEOUT,
    Purchase,
    Running,
    Shop,
    filled,
    free_port,
    until,
    variant_of,
)
from tests.kit.proxy import Proxy

SMOKE = ROOT / "deploy" / "k8s" / "colour" / "smoke.py"
BUYERS, BROWSERS = 4, 2
PAGES = ("/", "/api/v1/products", "/api/v1/products/mug", "/products/mug", "/openapi.json")
#: One more migration, such as the next version might bring: it only adds, to a table in use.
MIGRATION = '''
"""What the next version needs."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    channel = sa.Column("channel", sa.String(16), server_default="web", nullable=False)
    op.add_column("orders", channel)
    op.create_index("ix_orders_channel", "orders", ["channel"])
    op.create_table("channels", sa.Column("name", sa.String(16), primary_key=True))


def downgrade() -> None:
    op.drop_table("channels")
    op.drop_index("ix_orders_channel", "orders")
    op.drop_column("orders", "channel")
'''


def next_version(folder: Path) -> tuple[Path, str]:
    """A copy of the package with another version and one migration more; where, and its schema."""
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__"))
    about = folder / "shop" / "__init__.py"
    text = about.read_text()
    about.write_text(re.sub(r'(__version__ = ").*"', r'\g<1>99.0.0"', text))
    assert about.read_text() != text
    before = schema.newest()
    number = before.partition("since")[0]
    revision = f"{int(number) + 1:04}since{number}"
    script = (
        folder / "shop" / "adapters" / "sql" / "migrations" / "versions" / f"{revision}_next.py"
    )
    script.write_text(MIGRATION.format(revision=revision, before=before))
    return folder, revision


class Crowd:
    """Customers who buy and look around through the proxy; each answer must be a good one."""

    def __init__(self, url: str, variant: str) -> None:
        self.failures: list[str] = []
        self.bought: list[Purchase] = []
        self.statuses: Counter[int] = Counter()
        self._url = url
        self._variant = variant
        self._over = threading.Event()

    @contextmanager
    def shopping(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._buy, args=(n,)) for n in range(BUYERS)]
        threads += [threading.Thread(target=self._browse) for _ in range(BROWSERS)]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self._over.set()
            for one in threads:
                one.join()

    def _client(self) -> httpx.Client:
        def note(answer: httpx.Response) -> None:
            self.statuses[answer.status_code] += 1
            if answer.status_code >= 400:
                answer.read()
                self.failures.append(f"{answer.request.url}: {answer.status_code} {answer.text}")

        hooks = {"response": [note]}
        return httpx.Client(base_url=self._url, timeout=TIMEOUT, event_hooks=hooks)

    def _buy(self, buyer: int) -> None:
        with self._client() as client:
            for number in range(10_000):
                if self._over.is_set():
                    return
                purchase = Purchase(self._variant, f"buyer-{buyer}-{number}")
                try:
                    purchase.whole(client)
                    assert purchase.order(client)["status"] == "confirmed"
                except Exception as error:  # noqa: BLE001 - whatever a customer meets is a failure
                    self.failures.append(f"{purchase.email}: {error!r}")
                else:
                    self.bought.append(purchase)

    def _browse(self) -> None:
        with self._client() as client:
            while not self._over.is_set():
                for page in PAGES:
                    try:
                        client.get(page)
                    except httpx.HTTPError as error:
                        self.failures.append(f"{page}: {error!r}")

    def buys(self, more: int = 8) -> None:
        """Returns when so many more orders were paid, or when something has failed."""
        aim = len(self.bought) + more
        until(lambda: self.failures or len(self.bought) >= aim)
        assert self.failures == []


@pytest.fixture
def server() -> str:
    return DATABASES.lend(migrated=False)


def test_a_release_a_rollback_and_a_release_again_fail_not_one_request(
    server: str, tmp_path: Path
) -> None:
    package, revision = next_version(tmp_path / "next")
    with Proxy() as proxy:
        given = {
            "SHOP_SITE_URL": proxy.url,
            "SHOP_DATABASE_URL": server,
            "SHOP_SECURITY_SECRET": "of both colours alike, 0123456789",
        }
        with (
            Shop(tmp_path / "blue", **given) as blue,
            Shop(tmp_path / "green", PYTHONPATH=str(package), **given) as green,
        ):
            old = serving(blue, proxy)
            crowd = Crowd(proxy.url, variant_of(blue.client())["id"])
            with crowd.shopping():
                crowd.buys()

                new = [green.start("--role", "api"), green.start("--role", "consumer", **another())]
                until(lambda: "waiting_for_database" in new[0].out)
                answer = new[0].ask("/readyz")
                assert answer.status_code == 503
                assert f"this version needs {revision}" in answer.text
                crowd.buys()

                migrated = green.command("migrate")
                assert migrated.returncode == 0, migrated.stderr
                for one in new:
                    one.ready()
                assert versions(blue, green)[1] == "99.0.0"
                crowd.buys()

                # A node goes, or the load grows: pods of the old version start on the new schema.
                again = blue.run("--role", "api", SHOP_HTTP_PORT=str(free_port()), **another())
                assert again.stop() == 0
                tried = subprocess.run(  # noqa: S603
                    [sys.executable, SMOKE, green.url], capture_output=True, text=True, check=False
                )
                assert tried.returncode == 0, tried.stderr

                for turn in (green, blue, green):
                    before = proxy.served[turn.port]
                    proxy.switch(turn.port)
                    crowd.buys()
                    assert proxy.served[turn.port] > before

                # Nobody asks the old colour any more, but it may still be answering.
                proxy.switch(blue.port)
                crowd.buys(3)
                proxy.switch(green.port)
                for one in old:
                    one.signal()
                assert [one.ended() for one in old] == [0, 0]
                crowd.buys()

            assert crowd.failures == []
            assert proxy.failed == []
            agrees(green, crowd)
            assert [one.stop() for one in new] == [0, 0]


def serving(blue: Shop, proxy: Proxy) -> list[Running]:
    """The old version in both roles, with goods, behind the proxy."""
    assert blue.command("migrate").returncode == 0
    filled(blue.folder, blue.server)
    proxy.switch(blue.port)
    return [blue.run("--role", "api"), blue.run("--role", "consumer", **another())]


def another() -> dict[str, str]:
    return {"SHOP_OPS_PORT": str(free_port())}


def versions(*shops: Shop) -> list[str]:
    return [shop.client().get("/openapi.json").json()["info"]["version"] for shop in shops]


def counts(shop: Shop, statement: str, number: int) -> bool:
    return shop.rows(statement) == [(number,)]


def agrees(shop: Shop, crowd: Crowd) -> None:
    """Every order is there once, is paid, and its mail was written by whichever colour."""
    for stuck in (
        "SELECT count(*) FROM outbox",
        "SELECT count(*) FROM emails WHERE status <> 'sent'",
        "SELECT count(*) FROM orders WHERE status <> 'confirmed'",
    ):
        until(partial(counts, shop, stuck, 0))
    orders = shop.rows("SELECT count(*), count(DISTINCT email) FROM orders WHERE channel = 'web'")
    assert orders == [(len(crowd.bought), len(crowd.bought))]
    until(partial(counts, shop, "SELECT count(*) FROM emails", len(crowd.bought)))
    audit = shop.command("audit")
    assert audit.returncode == 0, audit.stdout
