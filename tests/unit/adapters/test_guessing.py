import asyncio

import pytest

from shop.adapters.system.guessing import ZxcvbnGuessing
from shop.core.kernel.errors import Unavailable


@pytest.mark.parametrize(
    ("password", "least", "most"),
    [
        ("Password@123", 0, 2),
        ("qwertyuiopasdfghjkl", 0, 2),
        ("a" * 128, 0, 0),
        ("p@ssw0rd jane", 0, 2),
        ("mary19851985", 0, 2),
        ("zaqwsxcde", 0, 1),
        ("kq7#Vd-2mZ!x9w", 4, 4),
        ("passwordpassword1!", 0, 2),
        ("three green kettles", 3, 4),
        ("ジョンは昨日公園で猫に会った", 3, 4),
        ("password12345678" + "vq7#kd-2mz!x9-wp", 3, 4),
        ("9f3a61c07d2e" * 5, 4, 4),  # in short pieces, since its digits might be letters
        ("1" * 100, 0, 1),
    ],
)
async def test_what_people_would_guess_soon_scores_low(
    password: str, least: int, most: int
) -> None:
    guessing = ZxcvbnGuessing()
    assert least <= (await guessing.strength(password)).score <= most


async def test_a_password_of_the_lists_is_common_in_any_letters() -> None:
    guessing = ZxcvbnGuessing()
    assert (await guessing.strength("iLoveYou")).common
    assert (await guessing.strength("\uff51\uff57\uff45\uff52\uff54\uff59")).common  # wide letters
    assert not (await guessing.strength("three green kettles")).common


async def test_nothing_is_too_odd_to_be_judged() -> None:
    guessing = ZxcvbnGuessing()
    for password in ("", "\0" * 20, "🫖" * 128, "4@8({[<369&#!1|0" * 8):
        assert (await guessing.strength(password)).score in range(5)


async def test_the_loop_goes_on_meanwhile_and_the_queue_has_an_end() -> None:
    guessing, turns = ZxcvbnGuessing(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    asked = [asyncio.create_task(guessing.strength("three green kettles")) for _ in range(80)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    counting.cancel()
    assert sum(isinstance(one, Unavailable) for one in told) == 15
    assert turns > 1
