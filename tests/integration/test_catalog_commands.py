"""`shop import` and `shop demo`, as somebody types them."""

import csv
import sqlite3
from collections.abc import Callable
from contextlib import closing
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


#: What is hard to carry: formulas, breaks, quotes, a draft, pictures without variants, an option.
AWKWARD = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,"
    "Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,"
    "Image Alt Text,Status\n"
    'Mug,=SUM(1),"Plain\u00a0text & ""more""\n\nand again",\'-Potters,Mugs > Big,"a, b",TRUE,'
    "Size,S,-1,200,5,12.50,15,https://p.example/1.jpg,+Front,active\n"
    "Mug,,,,,,,,L,M-L,,0,14,,https://p.example/2.jpg,,\n"
    "Mug,,,,,,,,,,,,,,https://p.example/3.jpg,,\n"
    "plate,Plate,<p>Flat</p>,,,,TRUE,Title,Default Title,,,3,,,,,active\n"
    "cup,Cup,,,12,,FALSE,,,,,1,3,,,,draft\n"
)


def test_what_an_export_writes_an_import_takes_back_unchanged(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, first, second = (tmp_path / f"{name}.csv" for name in ("given", "first", "second"))
    given.write_text(AWKWARD)
    count = int(shop("demo").stdout.split()[0]) + 3
    shop("import", given, "--format", "shopify")
    done = shop("export", first, "--format", "shopify")
    assert done.stdout.splitlines()[-1] == f"{count} written, 0 left out", done.output
    again = shop("import", first, "--format", "shopify", "--verbose")
    unchanged = f"0 new, 0 changed, {count} unchanged, 0 refused"
    assert again.stdout.splitlines()[-1] == unchanged, again.output
    source = shop("import", given, "--format", "shopify")
    assert source.stdout.splitlines()[-1] == "0 new, 0 changed, 3 unchanged, 0 refused"

    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path / "other"))
    moved = shop("import", first, "--format", "shopify")
    assert moved.stdout.splitlines()[-1] == f"{count} new, 0 changed, 0 unchanged, 0 refused"
    shop("export", second, "--format", "shopify")
    assert _without_notes(second) == _without_notes(first)


def _without_notes(file: Path) -> list[list[str]]:
    with file.open(newline="") as lines:
        return [record[:-1] for record in csv.reader(lines)]


def test_only_what_was_edited_in_an_export_changes(shop: Shop, tmp_path: Path) -> None:
    given, out = tmp_path / "given.csv", tmp_path / "out.csv"
    given.write_text(HEAD + "mug,Mug,12.50\ncup,Cup,3\n")
    shop("import", given, "--format", "shopify")
    shop("export", out, "--format", "shopify")
    out.write_text(out.read_text().replace(",12.50,", ",13.50,"))
    lines = [shop("import", out, "--format", "shopify").stdout.splitlines()[-1] for _ in range(2)]
    assert lines == [
        "0 new, 1 changed, 1 unchanged, 0 refused",
        "0 new, 0 changed, 2 unchanged, 0 refused",
    ]


def test_an_export_that_cannot_be_written_leaves_the_old_file(shop: Shop, tmp_path: Path) -> None:
    shop("import", _small(tmp_path), "--format", "shopify")
    out = tmp_path / "out.csv"
    out.write_text("old")
    assert shop("export", out, "--format", "parchment").exit_code == 1
    assert out.read_text() == "old"
    missing = shop("export", tmp_path / "no" / "folder.csv", "--format", "shopify")
    assert missing.exit_code == 1
    assert missing.stderr.splitlines()[-1].startswith("shop: ")


def _small(folder: Path) -> Path:
    file = folder / "small.csv"
    file.write_text(HEAD + "mug,Mug,12.50\n")
    return file


def test_the_demo_catalogue_can_be_loaded_twice(shop: Shop, tmp_path: Path) -> None:
    first, second = shop("demo"), shop("demo")
    assert first.exit_code == 0, first.output
    count = first.stdout.split()[0]
    assert int(count) > 50
    assert second.stdout.splitlines()[-1] == f"0 new, 0 changed, {count} unchanged, 0 refused"
    assert list((tmp_path / "var" / "media").glob("de/demo-*.svg"))


def test_the_demo_catalogue_is_sold_in_the_currency_of_the_shop(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SITE_CURRENCY", "USD")
    loaded = shop("demo")
    assert loaded.exit_code == 0, loaded.output
    with closing(sqlite3.connect(tmp_path / "var" / "shop.db")) as database:
        assert database.execute("SELECT DISTINCT currency FROM products").fetchall() == [("USD",)]
