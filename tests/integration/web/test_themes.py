"""An operator's own look: files and templates that go before the packaged ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shop.adapters.letters.jinja import JinjaLetters
from shop.core.kernel.errors import Invalid
from shop.entrypoints.http.web.rendering import Look
from tests.kit.process import Shop
from tests.kit.storefront import a_storefront

Written = Callable[[str, str], Path]


@pytest.fixture
def theme(tmp_path: Path) -> Path:
    return tmp_path / "theme"


@pytest.fixture
def write(theme: Path) -> Written:
    def one(name: str, text: str) -> Path:
        file = theme / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return one


async def test_a_style_of_the_theme_comes_after_the_shops_own(
    tmp_path: Path, theme: Path, write: Written
) -> None:
    write("static/theme.css", ":root { --brand: #064e3b; }")
    async with a_storefront(tmp_path, str(theme)) as shop:
        home = (await shop.visitor().get("/")).text
        assert 0 < home.index("/static/shop.css") < home.index("/static/theme.css")
        style = await shop.visitor().get("/static/theme.css")
        assert style.text == ":root { --brand: #064e3b; }"
        assert style.headers["content-type"].startswith("text/css")


async def test_without_a_theme_there_is_no_second_style(tmp_path: Path) -> None:
    async with a_storefront(tmp_path) as shop:
        assert "theme.css" not in (await shop.visitor().get("/")).text


async def test_a_template_replaces_the_packaged_one_or_builds_on_it(
    tmp_path: Path, theme: Path, write: Written
) -> None:
    write("templates/mark.html", '<img src="{{ asset("logo.png") }}" alt="">')
    write(
        "templates/base.html",
        '{% extends "packaged/base.html" %}'
        "{% block foot %}<p>Since 1931</p>{{ super() }}{% endblock %}",
    )
    write("static/logo.png", "not really")
    async with a_storefront(tmp_path, str(theme)) as shop:
        visitor = shop.visitor()
        home = (await visitor.get("/")).text
        assert "<p>Since 1931</p>" in home
        assert "Prices include GST" in home
        logo = await visitor.get("/static/logo.png")
        assert logo.headers["content-type"] == "image/png"
        assert '<img src="/static/logo.png?v=' in (await visitor.get("/nowhere")).text


def test_a_mail_of_the_theme_goes_before_the_packaged_one(theme: Path, write: Written) -> None:
    write("mails/verify-email.txt", "Namaste from {{ shop }}\n{{ link }}\n")
    letters = JinjaLetters("Tea & Co", "https://shop.example.com", lambda _: "", theme)
    mail = letters.render("verify-email", {"name": "Asha", "link": "https://shop.example.com/x"})
    assert mail.subject == "Namaste from Tea & Co"
    assert "<html" in mail.html


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("templates/base.html", "{% if %}", "site.theme: templates/base.html:1: Expected"),
        ("static/virus.exe", "", "virus.exe is no file that ends in .css"),
        ("static/deep/a.css", "", "deep is no file that ends in .css"),
        ("statics/theme.css", "", "statics is none of templates, static, mails"),
    ],
)
def test_a_theme_that_cannot_be_shown_is_refused(
    theme: Path, write: Written, name: str, text: str, said: str
) -> None:
    write(name, text)
    with pytest.raises(Invalid) as caught:
        Look(theme)
    assert said in caught.value.detail


def test_what_the_system_leaves_in_folders_is_overlooked(theme: Path, write: Written) -> None:
    write("static/.DS_Store", "")
    (theme / "templates").mkdir()
    (theme / "templates" / ".DS_Store").write_bytes(b"\xff\xfe")
    write(".git/config", "")
    assert "theme.css" not in Look(theme).assets


def test_a_shop_with_a_wrong_theme_does_not_start(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        running = shop.start(SHOP_SITE_THEME=str(tmp_path / "none"))
        assert running.ended() == 1
        assert running.err == f"shop: site.theme: there is no folder {tmp_path / 'none'}.\n"
