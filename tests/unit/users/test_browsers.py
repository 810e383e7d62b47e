import pytest

from shop.adapters.memory.secrets import MemorySecrets
from shop.adapters.memory.store import MemoryStore
from shop.adapters.system.clock import Uuid7
from shop.core.users.browsers import KnownBrowsers


@pytest.fixture
def browsers() -> KnownBrowsers:
    ids = Uuid7()
    return KnownBrowsers(MemorySecrets(MemoryStore(), ids), ids)


async def test_a_browser_is_known_to_the_account_it_signed_in_to_alone(
    browsers: KnownBrowsers,
) -> None:
    marks = await browsers.marked("", "asha")
    assert await browsers.find(marks, "asha")
    assert await browsers.find(marks, "ravi") == ""


async def test_two_browsers_of_one_person_are_told_apart(browsers: KnownBrowsers) -> None:
    one, two = await browsers.marked("", "asha"), await browsers.marked("", "asha")
    assert await browsers.find(one, "asha") != await browsers.find(two, "asha")


async def test_a_browser_remembers_three_people_the_last_ones(browsers: KnownBrowsers) -> None:
    marks = ""
    for account in ("asha", "ravi", "asha", "meena", "jyoti"):
        marks = await browsers.marked(marks, account)
    known = [a for a in ("asha", "ravi", "meena", "jyoti") if await browsers.find(marks, a)]
    assert known == ["asha", "meena", "jyoti"]


@pytest.mark.parametrize("marks", ["", "~", "x", "x.y", ".", "a.b~" * 100, "ä.ö", "\ud800.x"])
async def test_nobody_makes_marks_up(browsers: KnownBrowsers, marks: str) -> None:
    assert await browsers.find(marks, "asha") == ""


async def test_a_mark_of_another_account_cannot_be_passed_on(browsers: KnownBrowsers) -> None:
    mine = await browsers.marked("", "thief")
    nonce, _, proof = mine.partition(".")
    assert await browsers.find(f"{nonce}.{proof}", "asha") == ""
    assert await browsers.find(f"other.{proof}", "thief") == ""
