"""Descriptions and names from outside."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from shop.adapters.feeds.text import BODY_BYTES, one_line, safe_html, shorten_key, tidy

_ALLOWED = set(
    "p br ul ol li strong b em i h2 h3 h4 table caption thead tbody tfoot tr th td a".split()  # noqa: SIM905
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ('<p style="x" id="y" data-mce-z="1">Hi</p><meta charset="utf-8">', "<p>Hi</p>"),
        ("<script>alert(1)</script><b onclick=x>a</b>", "<b>a</b>"),
        ("<h1>A</h1><h5>B</h5>", "<h2>A</h2><h4>B</h4>"),
        ("<div>a</div><DIV class=x>b</DIV>", "<p>a</p><p>b</p>"),
        ("<p>a<img src=x onerror=alert(1)></p>", "<p>a</p>"),
        ('<a href="javascript:x">a</a>', "<a>a</a>"),
        ('<a href="/cart">a</a>', "<a>a</a>"),
        ('<a href="mailto:a@b.c" target=_blank>a</a>', '<a href="mailto:a@b.c">a</a>'),
        ('<a href="https://x.y/?a=1&b=2">a</a>', '<a href="https://x.y/?a=1&amp;b=2">a</a>'),
        ("<p>left open", "<p>left open</p>"),
        ("<p></p><p>&nbsp;a</p>", "<p>&nbsp;a</p>"),
        ("one\ntwo\r\n\r\nthree", "<p>one<br>two</p><p>three</p>"),
        ("size < 5 & Fish &amp; Chips", "<p>size &lt; 5 &amp; Fish &amp; Chips</p>"),
        ("&lt;b&gt;", "<p>&lt;b&gt;</p>"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_body_becomes_safe_html(body: str, html: str) -> None:
    assert safe_html(body) == (html, False)


@pytest.mark.parametrize(
    "body",
    ["x" * 200_000, "é" * 100_000, "<p>word</p>" * 20_000, "<ul><li>" * 4_000 + "x" * 70_000],
)
def test_a_body_too_long_is_cut_and_stays_whole_html(body: str) -> None:
    html, cut = safe_html(body)
    assert cut
    assert len(html.encode()) <= BODY_BYTES + 1_000
    assert html.count("<p>") == html.count("</p>")


@given(st.text() | st.from_regex(r"(<(/?)(p|div|h1|script|a href='[a-z:/]*'|svg)>?[ab&<;]*)*"))
def test_only_tags_of_the_list_ever_come_out(body: str) -> None:
    parser = _Tags()
    parser.feed(safe_html(body)[0])
    assert parser.tags <= _ALLOWED
    assert all(
        name == "href" and (value or "").startswith(("http:", "https:", "mailto:"))
        for name, value in parser.attributes
    )


@given(st.text())
def test_sanitising_twice_is_sanitising_once(body: str) -> None:
    once, _ = safe_html("<p>" + body)
    assert safe_html(once)[0] == once


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_stored_after_tidying(text: str) -> None:
    line = one_line(text)
    line.encode()
    assert "\0" not in line
    assert "\n" not in line


def test_signs_and_no_break_spaces_stay() -> None:
    assert tidy(" Caf\xe9™ 5\xa0½ \ufffd\x07 ") == "Caf\xe9™ 5\xa0½ \ufffd"
    assert one_line("a \r\n b\xa0c  d") == "a b\xa0c  d"


def test_keys_that_differ_stay_different_when_cut() -> None:
    a, b = "x" * 300 + "a", "x" * 300 + "b"
    assert len(shorten_key(a, 255)) == 255
    assert shorten_key(a, 255) != shorten_key(b, 255)
    assert shorten_key("short", 255) == "short"
