"""`shop doctor`, as people call it."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dishka import Provider, Scope, provide

from shop.adapters.sql import schema
from shop.core.kernel.errors import Unavailable
from shop.entrypoints.cli import doctor
from shop.entrypoints.cli.main import cli
from shop.ports.checkup import CacheCheckup, Unwell
from tests.kit.containers import running, settings_for
from tests.kit.process import free_port

AREAS = ["settings", "data", "database", "cache", "bus", "payments", "mail", "media"]
FIT = {
    "SHOP_SITE_MODE": "production",
    "SHOP_SITE_URL": "https://shop.example",
    "SHOP_SECURITY_SECRET": "vK3_9xQw-7ZbN2mLp0RtYs8Ue5Hd1JcF",
    "SHOP_MAIL_FROM": "Shop <orders@shop.example>",
    "SHOP_TAX_SELLER_ADDRESS": "7 Fort Road\nKochi 682001",
    "SHOP_TAX_STATE": "KL",
    "SHOP_TAX_GSTIN": "32AAAAA0000A1Z5",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def asked(env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, ["doctor"], env=env)


def wrong(result: Result) -> list[str]:
    return [line for line in result.output.splitlines() if line.startswith("WRONG")]


@pytest.mark.usefixtures("folder")
def test_a_new_shop_is_well_and_stays_untouched(folder: Path) -> None:
    result = asked()
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.output.splitlines()] == [["ok", x] for x in AREAS]
    assert not folder.exists()


def test_a_shop_in_use_tells_its_schema(folder: Path) -> None:
    async def fill() -> None:
        async with running(settings_for("sqlite", folder)):
            pass

    asyncio.run(fill())
    result = asked()
    assert result.exit_code == 0, result.output
    assert f"SQLite in {folder}/shop.db, schema {schema.newest()}" in result.output


def test_a_database_that_is_none_or_of_another_version_is_told(folder: Path) -> None:
    folder.mkdir()
    (folder / "shop.db").write_bytes(b"not a database at all" * 100)
    [line] = wrong(asked())
    assert "shop.db cannot be read" in line
    (folder / "shop.db").unlink()
    sqlite3.connect(folder / "shop.db").close()
    result = asked()
    [line] = wrong(result)
    assert line.endswith("The database is empty: run `shop migrate`")
    assert result.exit_code == 1
    assert "shop: 1 of 8 checks failed." in result.output


def test_a_folder_nobody_may_write_to_is_told(folder: Path) -> None:
    folder.write_text("a file")
    lines = wrong(asked())
    assert [line.split()[1] for line in lines] == ["data", "mail", "media"]
    assert all("cannot be written to" in line and "let the user" in line for line in lines)


@pytest.mark.usefixtures("folder")
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    [line] = wrong(asked())
    assert "only 5 MiB are free" in line


@pytest.mark.usefixtures("folder")
def test_production_wants_real_money_and_real_mail() -> None:
    lines = wrong(asked(FIT | {"SHOP_MAIL_FROM": "Shop <shop@localhost>"}))
    assert [line.partition(":")[0].split(maxsplit=2)[2] for line in lines] == [
        "customers pay with play money",
        "mails reach nobody",
        "mails come from localhost",
    ]
    real = FIT | {
        "SHOP_MAIL_URL": f"smtp://localhost:{free_port()}",
        "SHOP_PAYMENTS_PROVIDER": "razorpay",
        "SHOP_RAZORPAY_KEY_ID": "rzp_live_1",
        "SHOP_RAZORPAY_KEY_SECRET": "a very secret key",
        "SHOP_RAZORPAY_WEBHOOK_SECRET": "another",
        "SHOP_RAZORPAY_URL": f"http://localhost:{free_port()}",
        "SHOP_MEDIA_URL": "s3://bucket",
        "SHOP_MEDIA_ENDPOINT": f"http://localhost:{free_port()}",
        "SHOP_MEDIA_KEY_ID": "id",
        "SHOP_MEDIA_KEY_SECRET": "a third secret",
    }
    result = asked(real)
    assert [line.split()[1] for line in wrong(result)] == ["payments", "mail", "media"]
    assert "production, as https://shop.example" in result.output
    assert "secret" not in result.output.replace("KEY_SECRET", "").lower()
    [test_key, *_] = wrong(asked(real | {"SHOP_RAZORPAY_KEY_ID": "rzp_test_1"}))
    assert "SHOP_RAZORPAY_KEY_ID is a test key" in test_key


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SHOP_TAX_SELLER_ADDRESS": None}, "a made-up address: set SHOP_TAX_SELLER_NAME"),
        ({"SHOP_TAX_STATE": "TN"}, "another state than SHOP_TAX_STATE: invoices divide"),
        ({"SHOP_TAX_GSTIN": ""}, "GST and no GSTIN: set SHOP_TAX_GSTIN"),
        ({"SHOP_TAX_GSTIN": "", "SHOP_TAX_DEFAULT_BASIS_POINTS": "0"}, "GST and no GSTIN"),
    ],
)
def test_production_wants_invoices_of_a_seller_who_exists(
    changes: dict[str, str | None], told: str
) -> None:
    given = {name: value for name, value in (FIT | changes).items() if value is not None}
    [line] = [one for one in wrong(asked(given)) if "invoices" in one]
    assert told in line
    untaxed = {"SHOP_TAX_DEFAULT_BASIS_POINTS": "0", "SHOP_SHIPPING_TAX_BASIS_POINTS": "0"}
    assert not [one for one in wrong(asked(FIT | untaxed)) if "invoices" in one]
    unregistered = FIT | untaxed | {"SHOP_TAX_GSTIN": ""}
    assert not [one for one in wrong(asked(unregistered)) if "invoices" in one]


@pytest.mark.usefixtures("folder")
def test_a_wrong_setting_is_one_line() -> None:
    result = asked({"SHOP_HTTP_PORT": "many"})
    assert result.exit_code == 1
    assert result.output.splitlines() == ["shop: SHOP_HTTP_PORT: Expected `int`, got `str`."]


class Ill(Provider, CacheCheckup):
    """A cache that is unwell in a way of its own."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error

    @provide(scope=Scope.APP, override=True)
    def checkup(self) -> CacheCheckup:
        return self

    async def examine(self) -> str:
        if self.error is None:
            await asyncio.Event().wait()
        raise self.error or RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unwell("10.0.0.1 is down", "start it"), "10.0.0.1 is down: start it"),
        (Unavailable("The cache is away."), "The cache is away: see that the server runs"),
        (ValueError("redis://user:secret@host"), "failed with ValueError: see its settings"),
        (None, "no answer in 0 s: see that the server runs"),
    ],
    ids=["unwell", "unavailable", "bug", "silent"],
)
async def test_one_that_is_ill_hides_nobody_else_and_tells_no_secret(
    tmp_path: Path, error: Exception | None, said: str
) -> None:
    lines = await doctor.ask(settings_for("memory", tmp_path), Ill(error), patience=0.05)
    ill = [f"{line.said}: {line.cure}" for line in lines if line.cure]
    assert len(ill) == 1
    assert ill[0].startswith(said)
    assert "secret" not in ill[0]
    assert [line.what for line in lines] == AREAS[2:]
