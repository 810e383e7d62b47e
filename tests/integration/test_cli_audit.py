"""`shop audit` and `shop dlq`, as people call them."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from shop.entrypoints.cli.main import cli
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    return tmp_path


async def _fill(folder: Path) -> None:
    async with running(settings_for("sqlite", folder)) as container:
        await stocked(container, 3)


def test_a_shop_in_order_passes(shop: Path) -> None:
    asyncio.run(_fill(shop))
    result = CliRunner().invoke(cli, ["audit"])
    assert result.exit_code == 0, result.output
    assert "1  variants" in result.output
    assert "Everything agrees." in result.output


def test_damage_ends_with_an_exit_code_and_one_line_each(shop: Path) -> None:
    asyncio.run(_fill(shop))
    connection = sqlite3.connect(shop / "shop.db")
    connection.execute("UPDATE variants SET on_hand = on_hand + 1")
    connection.commit()
    connection.close()
    result = CliRunner().invoke(cli, ["audit"])
    assert result.exit_code == 1
    assert "4 lie on the shelf, the ledger says 3" in result.output
    assert "shop: 1 things do not agree." in result.output


@pytest.mark.usefixtures("shop")
def test_without_dead_letters_there_is_nothing_to_do() -> None:
    assert "There are no dead letters." in CliRunner().invoke(cli, ["dlq", "list"]).output
    replayed = CliRunner().invoke(cli, ["dlq", "replay"])
    assert replayed.exit_code == 0
    assert replayed.output.endswith("0 went through, 0 failed again.\n")
