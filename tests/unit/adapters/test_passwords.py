import asyncio

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from shop.adapters.system.passwords import Argon2Passwords
from shop.core.kernel.errors import Unavailable


def _cheap(**changes: int) -> Argon2Passwords:
    cost = {"memory_kib": 8, "time_cost": 1, "threads": 1} | changes
    return Argon2Passwords(**cost)


async def test_only_the_right_password_fits_a_hash() -> None:
    passwords = _cheap()
    hashed = await passwords.hash("three green kettles")
    assert await passwords.verify("three green kettles", hashed)
    assert not await passwords.verify("four green kettles", hashed)
    assert hashed.startswith("$argon2id$")
    assert len(hashed) <= 255


async def test_nobody_and_nonsense_fit_no_password() -> None:
    passwords = _cheap()
    assert not await passwords.verify("", None)
    assert not await passwords.verify("x", "no hash")


async def test_nobody_costs_as_much_as_somebody() -> None:
    somebody = await _cheap(memory_kib=64).hash("x")
    nobody = _cheap(memory_kib=64)._nobody  # noqa: SLF001 - the point of it
    assert nobody.split("$")[:4] == somebody.split("$")[:4]
    assert len(nobody) == len(somebody)


async def test_for_nobody_the_same_is_done_as_for_somebody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, seen = _cheap(), []
    hashed = await passwords.hash("three green kettles")

    def verify(_: PasswordHasher, hashed: str, text: str) -> bool:
        seen.append((hashed, text))
        raise VerificationError

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    for one in (hashed, None):
        assert not await passwords.verify("four green kettles", one)
    nobody = passwords._nobody  # noqa: SLF001 - the point of it
    assert seen == [(one, "four green kettles") for one in (hashed, nobody)]


async def test_keyboards_may_spell_a_letter_in_two_ways() -> None:
    passwords = _cheap()
    assert await passwords.verify("cafe\u0301 corner", await passwords.hash("caf\u00e9 corner"))


async def test_a_hash_of_other_parameters_is_outdated() -> None:
    hashed = await _cheap().hash("x")
    assert not _cheap().outdated(hashed)
    assert _cheap(time_cost=2).outdated(hashed)


async def test_who_comes_to_a_full_queue_is_sent_away_at_once() -> None:
    passwords = _cheap(queue=2)
    answers = await asyncio.gather(
        *(passwords.hash("x") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(a, Unavailable) for a in answers) == 7
    assert await passwords.hash("x")  # and there is room again


async def test_a_caller_who_goes_away_keeps_the_place_until_the_thread_is_done() -> None:
    passwords = _cheap(queue=1)
    waiting = [asyncio.ensure_future(passwords.hash("x")) for _ in range(2)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    with pytest.raises(Unavailable):
        await passwords.hash("x")
    await asyncio.gather(*waiting, return_exceptions=True)
