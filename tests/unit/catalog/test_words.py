"""Slugs, folded words, suggestions and pictures."""

import pytest
from hypothesis import given, strategies as st

from shop.core.catalog.pictures import NotAPicture, recognise
from shop.core.catalog.suggest import SuggestIndex, within_one
from shop.core.catalog.views import Suggestion
from shop.core.catalog.words import fold, slug_of, suffixed, words_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Clay Mug", "clay-mug"),
        ("  Café & Crème!  ", "cafe-creme"),
        ("Women's Shoes", "womens-shoes"),
        ("鞋", "xie"),
        ("!!!", ""),
    ],
)
def test_a_slug_is_plain_ascii(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(st.text(max_size=400))
def test_a_slug_of_any_text_is_an_address(text: str) -> None:
    slug = slug_of(text)
    assert slug == slug_of(slug)
    assert len(slug) <= 120
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_suffix_is_always_the_same_and_leaves_the_length() -> None:
    assert suffixed("mug", b"k") == suffixed("mug", b"k") != suffixed("mug", b"l")
    assert len(suffixed("m" * 120, b"k")) == 120


def test_words_lose_case_accents_and_repetition_but_not_their_signs() -> None:
    assert words_of("Café CAFE, 100% d'or") == ("cafe", "100%", "d'or")
    assert len(words_of(" ".join(map(str, range(30))))) == 8
    assert fold("STRASSE") == "strasse"


@given(st.text(alphabet="ab", max_size=6), st.text(alphabet="ab", max_size=6))
def test_one_typo_is_what_the_textbook_says(a: str, b: str) -> None:
    assert within_one(a, b) == (_distance(a, b) <= 1)


def _distance(a: str, b: str) -> int:
    """Damerau-Levenshtein, restricted to neighbours, by its recurrence."""
    rows = [
        [max(i, j) if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)
    ]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            rows[i][j] = min(
                rows[i - 1][j] + 1,
                rows[i][j - 1] + 1,
                rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def test_what_begins_as_typed_comes_first_and_ten_are_enough() -> None:
    titles = ["Red kettle", "Kettle", *(f"Kettle {n}" for n in range(20))]
    index = SuggestIndex(Suggestion(title=t, slug=slug_of(t), kind="product") for t in titles)
    found = [one.title for one in index.find("ketle")]
    assert len(found) == 10
    assert index.find("kettle")[0].title == "Kettle"
    assert [one.title for one in index.find("kettle re")] == ["Red kettle"]
    assert index.find("kex") == []


def test_pictures_are_known_by_their_first_bytes() -> None:
    gif = b"GIF89a" + (7).to_bytes(2, "little") + (5).to_bytes(2, "little")
    webp = (
        b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (6).to_bytes(3, "little") + (4).to_bytes(3, "little")
    )
    jpeg = bytes.fromhex("ffd8ffe00004aaaaffc00011080005000703")
    for body, kind in ((gif, "image/gif"), (webp, "image/webp"), (jpeg, "image/jpeg")):
        found = recognise(body)
        assert (found.content_type, found.width, found.height) == (kind, 7, 5)


@given(st.binary(max_size=64), st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBP"]))
def test_no_bytes_confuse_the_recognition(body: bytes, start: bytes) -> None:
    try:
        found = recognise(start + body)
    except NotAPicture:
        return
    assert found.width > 0
    assert found.height > 0
