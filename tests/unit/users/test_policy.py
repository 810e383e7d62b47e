from typing import Any

import pytest
from msgspec.structs import replace

from shop.core.users.model import EmailAddress, IdentityRules, WeakPassword
from shop.core.users.policy import NewPasswords, Rule, weaknesses
from shop.ports.users import Guessing, Strength
from tests.kit.people import FakePasswords
from tests.unit.users.test_model import ASHA

RULES = IdentityRules(site_url="http://shop")
HARD = Strength(score=4, common=False)
RAO = "asha.rao@example.com"


class FakeGuessing(Guessing):
    def __init__(self, strength: Strength = HARD) -> None:
        self.strength_of_all = strength
        self.judged: list[str] = []

    async def strength(self, password: str) -> Strength:
        self.judged.append(password)
        return self.strength_of_all


def _weak(
    password: str, strength: Strength = HARD, email: str = RAO, name: str = "Asha Rao", **more: Any
) -> list[Rule]:
    rules = IdentityRules(site_url="http://shop", **more)
    return weaknesses(password, strength, rules, email=email, name=name)


def test_ten_characters_with_a_special_one_will_do() -> None:
    assert _weak("kettle-gre") == []
    assert _weak("kettle-gr") == [Rule.TOO_SHORT]
    assert _weak("kettlegreen") == [Rule.NO_SPECIAL]


def test_a_passphrase_of_sixteen_characters_needs_no_special_one() -> None:
    assert _weak("threegreenkettle") == []
    assert _weak("threegreenkettl") == [Rule.NO_SPECIAL]


@pytest.mark.parametrize("letters", ["ä", "क", "猫", "🫖"])
def test_any_letters_count_up_to_128(letters: str) -> None:
    assert _weak(letters * 128) == []
    assert _weak(letters * 129) == [Rule.TOO_LONG]


def test_every_rule_that_failed_is_named() -> None:
    easy = Strength(score=2, common=True)
    assert _weak("aaa", easy) == [
        Rule.TOO_SHORT,
        Rule.NO_SPECIAL,
        Rule.COMMON,
        Rule.GUESSABLE,
    ]
    assert _weak("asharao", easy, email="asharao@example.com") == [
        Rule.TOO_SHORT,
        Rule.NO_SPECIAL,
        Rule.HOLDS_EMAIL,
        Rule.HOLDS_NAME,
        Rule.COMMON,
        Rule.GUESSABLE,
    ]


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("my-ASHA.RAO-kettle", Rule.HOLDS_EMAIL),
        ("my-asharao-kettle", Rule.HOLDS_NAME),
        ("my-ASHA rao-kettle", Rule.HOLDS_NAME),
        ("my-\uff41\uff53\uff48\uff41\uff52\uff41\uff4f-kettle", Rule.HOLDS_NAME),
    ],
)
def test_mailbox_and_name_are_found_in_any_letters(password: str, rule: Rule) -> None:
    assert _weak(password) == [rule]


def test_short_names_turn_up_by_accident() -> None:
    assert _weak("a kettle for bob", email="bob@example.com", name="Bob") == []
    assert _weak("a kettle for rob1", email="rob1@example.com", name="") == [Rule.HOLDS_EMAIL]


def test_what_everybody_tries_first_is_refused_however_long() -> None:
    assert _weak("Admin@12345") == [Rule.COMMON]
    assert _weak("CorrectHorseBatteryStaple") == [Rule.COMMON]


def test_a_deployment_may_ask_for_more() -> None:
    assert _weak("kettle-green", password_from=14) == [Rule.TOO_SHORT]
    assert _weak("threegreenkettles", passphrase_from=20) == [Rule.NO_SPECIAL]
    assert _weak("kettle-green", Strength(score=3, common=False), password_score=4) == [
        Rule.GUESSABLE
    ]


async def test_a_weak_password_is_refused_with_all_its_faults_and_never_hashed() -> None:
    passwords, guessing = FakePasswords(), FakeGuessing(Strength(score=0, common=False))
    new = NewPasswords(passwords, guessing, RULES)
    with pytest.raises(WeakPassword) as refused:
        await new.hash("x" * 5000, email=RAO, name="Asha Rao")
    assert refused.value.facts == {"rules": ["too-long", "too-guessable"]}
    assert "at most 128 characters; to be harder to guess" in refused.value.detail
    assert guessing.judged == ["x" * 128]  # nobody judges a book


@pytest.mark.parametrize(
    ("password", "strength", "known"),
    [
        ("short", HARD, False),  # yesterday's rules may have let it through
        ("admin@12345", HARD, True),
        ("some-word-1", Strength(score=1, common=False), True),
        ("my-asha@-kettle", HARD, False),
        ("asha@example-1", HARD, True),
    ],
)
async def test_what_protects_nobody_is_told_from_what_is_only_out_of_date(
    password: str, strength: Strength, *, known: bool
) -> None:
    new = NewPasswords(FakePasswords(), FakeGuessing(strength), RULES)
    email = "asha@example.com" if password.startswith("asha") else "rao@example.com"
    user = replace(ASHA, email=EmailAddress(email, email), name="Rao")
    assert await new.known_to_all(user, password) is known
