"""`shop reset-factors`, as whoever runs the machine calls it."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from shop.core.kernel.access import Role
from shop.core.users.admins import Staffing
from shop.core.users.factors import Factors
from shop.entrypoints.cli.main import cli
from shop.ports.factors import SecondFactors
from shop.ports.uow import UnitOfWork
from tests.kit.containers import running, settings_for

EMAIL = "asha@example.com"
_LINES = "SELECT user_id FROM admin_log WHERE action = 'user.factors-reset'"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    asyncio.run(_fill(tmp_path))
    return tmp_path


async def _fill(folder: Path) -> None:
    async with running(settings_for("sqlite", folder)) as container, container() as scope:
        staffing = await scope.get(Staffing)
        asha = await staffing.hire(EMAIL, "three green kettles", "Asha", frozenset({Role.STAFF}))
        async with (await scope.get(UnitOfWork)).begin():
            lost = Factors(user_id=asha.id, totp=b"sealed", recovery=(b"h" * 32,))
            await (await scope.get(SecondFactors)).save(lost)


def _rows(shop: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(shop / "shop.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_password_alone_is_enough_afterwards(shop: Path) -> None:
    result = CliRunner().invoke(cli, ["reset-factors", "--email", EMAIL])
    assert result.exit_code == 0, result.output
    assert "signs in with the password alone now" in result.output
    assert _rows(shop, "SELECT totp, recovery FROM second_factors") == [(None, "[]")]
    assert _rows(shop, "SELECT count(*) FROM emails WHERE recipient = 'asha@example.com'") == [(1,)]
    assert _rows(shop, _LINES) == [(None,)]


def test_who_has_none_is_left_alone(shop: Path) -> None:
    CliRunner().invoke(cli, ["reset-factors", "--email", EMAIL])
    result = CliRunner().invoke(cli, ["reset-factors", "--email", EMAIL])
    assert result.exit_code == 0
    assert "nothing was changed" in result.output
    assert _rows(shop, "SELECT count(*) FROM emails") == [(1,)]


def test_an_unknown_address_is_one_line_on_stderr(shop: Path) -> None:
    result = CliRunner().invoke(cli, ["reset-factors", "--email", "nobody@example.com"])
    assert result.exit_code == 1
    assert result.stderr == "shop: There is no account with this e-mail address.\n"
    assert _rows(shop, _LINES) == []
