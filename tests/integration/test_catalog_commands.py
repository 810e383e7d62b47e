"""`shop import` and `shop demo`, as somebody types them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shop.entrypoints.cli.main import cli

HEAD = "Handle,Title,Variant Price\n"
Shop = Callable[..., Result]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("SHOP_LOG_LEVEL", "error")

    def run(*words: object) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words])

    return run


def test_an_import_ends_with_its_one_line_and_a_second_changes_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEAD + "mug,Mug,12.50\ncup,Cup,3\n")
    dry = shop("import", file, "--format", "shopify", "--dry-run")
    assert dry.exit_code == 0, dry.output
    first = shop("import", file, "--format", "shopify")
    second = shop("import", file, "--format", "shopify")
    lines = [result.stdout.splitlines()[-1] for result in (dry, first, second)]
    assert lines == [
        "2 new, 0 changed, 0 unchanged, 0 refused",
        "2 new, 0 changed, 0 unchanged, 0 refused",
        "0 new, 0 changed, 2 unchanged, 0 refused",
    ]


@pytest.mark.parametrize(
    ("body", "extra"),
    [
        ("Some,Thing\n1,2\n", ["--format", "shopify"]),
        (HEAD, ["--format", "parchment"]),
        (HEAD, ["--format", "shopify", "--currency", "rupees"]),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    shop: Shop, tmp_path: Path, body: str, extra: list[str]
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(body)
    result = shop("import", file, *extra)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("shop: ")


def test_the_demo_catalogue_can_be_loaded_twice(shop: Shop, tmp_path: Path) -> None:
    first, second = shop("demo"), shop("demo")
    assert first.exit_code == 0, first.output
    count = first.stdout.split()[0]
    assert int(count) > 50
    assert second.stdout.splitlines()[-1] == f"0 new, 0 changed, {count} unchanged, 0 refused"
    assert list((tmp_path / "var" / "media").glob("de/demo-*.svg"))
