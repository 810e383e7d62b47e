"""The documentation covers the code, leads somewhere, and builds without a warning."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import fields

from docs import generate, reference
from docs.reference import Untold
from shop.entrypoints.cli.main import COMMANDS
from shop.entrypoints.consumers.registry import EVENTS
from shop.entrypoints.http.meanings import MEANINGS
from shop.settings import Providers, Settings
from tests.kit.process import ROOT

SPHINX = ROOT / ".venv" / "docs" / "bin" / "sphinx-build"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Sphinx is given."""
    folder = tmp_path_factory.mktemp("docs") / "sources"
    generate.main(folder)
    return folder


def made(sources: Path, name: str) -> str:
    return (sources / "reference" / f"{name}.md").read_text()


def test_every_setting_is_described(sources: Path) -> None:
    page = made(sources, "settings")
    for section in fields(Settings):
        if section.type is not Providers:
            for key in fields(section.type):
                name = f"SHOP_{section.name}_{key.encode_name}".upper()
                assert f"`{name}`" in page or key.name == "coupons"
    assert "`SHOP_PROVIDERS_<NAME>_CLIENT_ID`" in page


def test_every_command_is_described(sources: Path) -> None:
    page = made(sources, "commands")
    for name in COMMANDS:
        assert f"\n## shop {name}\n" in page
    assert "\n## shop oauth-client add\n" in page
    assert "`--redirect-uri TEXT`" in page


def test_every_error_has_a_meaning_and_a_status(sources: Path) -> None:
    page = made(sources, "errors")
    for code in MEANINGS:
        assert f"\n| `{code}` | " in page
    assert "| `out-of-stock` | 409 |" in page
    assert "| `signature-invalid` | 400, 401 |" in page


def test_every_event_is_described(sources: Path) -> None:
    page = made(sources, "events")
    for kind, event in EVENTS.items():
        assert f"\n### {kind}\n" in page
        assert f"\n## {event.topic}\n" in page


def test_every_metric_that_the_code_names_is_described(sources: Path) -> None:
    page = made(sources, "metrics")
    named = {
        name
        for file in (ROOT / "src" / "shop" / "entrypoints").rglob("*.py")
        for name in re.findall(r'"((?:shop|http_server)_[a-z_]+)"', file.read_text())
    }
    assert "shop_outbox_waiting" in named
    assert {name for name in named if not re.search(rf"`{name}(_total)?`", page)} == set()


def test_a_fact_that_says_nothing_of_itself_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(MEANINGS, "out-of-stock")
    with pytest.raises(Untold, match="out-of-stock"):
        reference.errors_page()
    monkeypatch.setitem(MEANINGS, "out-of-stock", "Gone.")
    monkeypatch.setitem(MEANINGS, "out-of-tea", "No such code.")
    with pytest.raises(Untold, match="out-of-tea"):
        reference.errors_page()
    monkeypatch.setattr(EVENTS["shop.order.placed.v1"], "__doc__", None)
    with pytest.raises(Untold, match=r"shop\.order\.placed\.v1"):
        reference.events_page()


def test_a_setting_without_a_comment_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.toml"
    text = reference.SHIPPED.read_text()
    file.write_text(text.replace("# pool = 10  # most", "# pool = 10\n# most"))
    monkeypatch.setattr(reference, "SHIPPED", file)
    with pytest.raises(Untold, match=r"database\.pool"):
        reference.settings_page()


def test_comments_of_the_shipped_settings_go_to_what_they_are_about() -> None:
    told = reference.sections_of(
        "# Head.\n\n# Above.\n[one]\n# Below.\n# a = 1  # first\n# and on.\n# More.\n"
        '# b = ""  # second\n\n[two]\n# c = "x"  # third'
    )
    assert told["one"].intro == "Above. Below."
    assert told["one"].keys == {"a": "first and on. More.", "b": "second"}
    assert told["two"].keys == {"c": "third"}


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    page = generate.DOCS / "index.md"
    for link in ("../src/nowhere.py", "nothing.md", "../../elsewhere.md"):
        with pytest.raises(Untold, match="leads nowhere"):
            generate.linked(page, f"See [this]({link}).", set())


def test_a_link_to_code_leads_to_a_page_that_shows_it(sources: Path) -> None:
    page = (sources / "architecture.md").read_text()
    assert "](source/src/shop/wiring.py.md)" in page
    shown = (sources / "source" / "src" / "shop" / "wiring.py.md").read_text()
    assert "def make_container" in shown


def test_every_page_is_on_the_front_page() -> None:
    front = (generate.DOCS / "index.md").read_text()
    for page in generate.pages():
        name = page.relative_to(generate.DOCS).as_posix()
        assert name == "index.md" or f"]({name})" in front, name


def test_the_site_builds_without_a_warning_and_takes_nothing_from_elsewhere(
    sources: Path, tmp_path: Path
) -> None:
    if not SPHINX.exists():
        why = "NO SPHINX: `make .venv/docs/.installed` installs it. THE SITE WAS NOT BUILT."
        if os.environ.get("TEST_REQUIRE_SERVERS") == "1":
            pytest.fail(why)
        pytest.skip(why)
    site = tmp_path / "site"
    done = subprocess.run(  # noqa: S603 - our own environment
        [
            *(SPHINX, "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"),
            *("--doctree-dir", tmp_path / "cache", sources, site),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"<(?:script|img|iframe)[^>]*src=\"([^\"]+)|<link[^>]*href=\"([^\"]+)")
    for page in site.rglob("*.html"):
        for found in loaded.findall(page.read_text()):
            assert "//" not in "".join(found), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style
    shutil.rmtree(site)


def test_every_alert_has_a_runbook_that_says_what_to_do() -> None:
    text = (generate.DOCS / "runbooks.md").read_text()
    alerts = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    sections = dict(re.findall(r"^## (Shop\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == re.findall(r"alert: (\w+)", alerts)
    for name, section in sections.items():
        severity = re.search(rf"alert: {name}\n.*?severity: (\w+)", alerts, re.DOTALL)
        assert severity is not None
        assert f"**Means** ({severity[1]}): " in section
        for part in ("**Look:** ", "**Do:** ", "**Over** "):
            assert part in section, name
