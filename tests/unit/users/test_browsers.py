from datetime import UTC, datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from shop.adapters.memory.secrets import MemorySecrets
from shop.adapters.memory.store import MemoryStore
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import UserId
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.model import EmailAddress, User


def _user() -> User:
    return User(
        id=UserId(uuid4()),
        email=EmailAddress("a@example.com", "a@example.com"),
        name="A",
        password_hash="a hash",
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


ASHA, RAVI, THIEF = _user(), _user(), _user()


@pytest.fixture
def browsers() -> KnownBrowsers:
    ids = Uuid7()
    return KnownBrowsers(MemorySecrets(MemoryStore(), ids), ids)


async def test_a_browser_is_known_to_the_account_it_signed_in_to_alone(
    browsers: KnownBrowsers,
) -> None:
    marks = await browsers.marked("", ASHA)
    assert await browsers.find(marks, ASHA)
    assert await browsers.find(marks, RAVI) == ""


async def test_two_browsers_of_one_person_are_told_apart(browsers: KnownBrowsers) -> None:
    one, two = await browsers.marked("", ASHA), await browsers.marked("", ASHA)
    assert await browsers.find(one, ASHA) != await browsers.find(two, ASHA)


async def test_a_browser_remembers_three_people_the_last_ones(browsers: KnownBrowsers) -> None:
    marks = ""
    meena, jyoti = _user(), _user()
    for user in (ASHA, RAVI, ASHA, meena, jyoti):
        marks = await browsers.marked(marks, user)
    known = [one for one in (ASHA, RAVI, meena, jyoti) if await browsers.find(marks, one)]
    assert known == [ASHA, meena, jyoti]


@pytest.mark.parametrize("marks", ["", "~", "x", "x.y", ".", "a.b~" * 100, "ä.ö", "\ud800.x"])
async def test_nobody_makes_marks_up(browsers: KnownBrowsers, marks: str) -> None:
    assert await browsers.find(marks, ASHA) == ""


async def test_a_mark_of_another_account_cannot_be_passed_on(browsers: KnownBrowsers) -> None:
    mine = await browsers.marked("", THIEF)
    nonce, _, proof = mine.partition(".")
    assert await browsers.find(f"{nonce}.{proof}", ASHA) == ""
    assert await browsers.find(f"other.{proof}", THIEF) == ""


async def test_marks_end_with_the_password(browsers: KnownBrowsers) -> None:
    marks = await browsers.marked("", ASHA)
    changed, _ = ASHA.change_password("another hash", ASHA.created_at)
    assert await browsers.find(marks, changed) == ""
    assert await browsers.find(await browsers.marked(marks, changed), changed)


async def test_marks_end_with_the_account(browsers: KnownBrowsers) -> None:
    marks = await browsers.marked("", ASHA)
    assert await browsers.find(marks, replace(ASHA, id=UserId(uuid4()))) == ""
