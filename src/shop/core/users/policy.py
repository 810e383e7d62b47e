"""Which passwords are good enough."""

import unicodedata
from enum import StrEnum

from shop.core.users.model import IdentityRules, User, WeakPassword
from shop.ports.users import Guessing, Passwords, Strength

LONGEST = 128
#: Shorter names and mailboxes turn up in good passwords by accident.
TELLING = 4


class Rule(StrEnum):
    """Names that programs may rely on."""

    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    NO_SPECIAL = "no-special-character"
    HOLDS_EMAIL = "contains-email"
    HOLDS_NAME = "contains-name"
    COMMON = "too-common"
    GUESSABLE = "too-guessable"


#: Long enough for the rules above, tried early, and in no list of short ones.
_TRIED_FIRST = """
    password1! password12! password123! password@1 password@12 password@123 password@1234
    p@ssword123 p@ssw0rd123 p@ssw0rd1! p@ssw0rd12 passw0rd1! passw0rd123! pa$$word123 pa$$w0rd123
    qwerty123! qwerty@123 qwerty12345! qwertyuiop! qwertyuiopasdfgh qwertyuiopasdfghjkl
    1234567890! !234567890 123456789! 123456789@ 1234567890123456 0123456789abcdef abcd@12345
    abcdefghijklmnop abcdefghij! abc@123456 abcd1234! abc123456! admin@1234 admin@12345 admin123456!
    administrator! administrator1! welcome@123 welcome@1234 welcome123! welcome1234! letmein123!
    letmein@123 iloveyou1! iloveyou123! iloveyou@123 changeme123! changeme@123 change-me! india@1234
    india@12345 india@1947 test@12345 test@123456 test123456! 1q2w3e4r5t! 1qaz2wsx3edc! 1qaz@wsx3edc
    zaq12wsx! 1qaz2wsx3edc4rfv passwordpassword password12345678 sachin@123 krishna@123
    jaishreeram! mypassword! mypassword1! secret@123 default@123 monkey@123 dragon@123
    football1! football@123 cricket@123 superman@123 correcthorsebatterystaple"""
_COMMON = frozenset(_TRIED_FIRST.split())


class NewPasswords:
    def __init__(self, passwords: Passwords, guessing: Guessing, rules: IdentityRules) -> None:
        self._passwords = passwords
        self._guessing = guessing
        self._rules = rules

    async def hash(self, password: str, *, email: str, name: str) -> str:
        """The hash of a password that is good enough for whom it is meant.

        Raises `WeakPassword`, with every rule that failed in facts `rules`, or `Unavailable`.
        """
        await self.check(password, email=email, name=name)
        return await self._passwords.hash(password)

    async def check(self, password: str, *, email: str, name: str) -> None:
        """The judgement alone, without the cost of a hash. Raises `WeakPassword`."""
        if failed := await self.failed(password, email=email, name=name):
            raise WeakPassword(
                f"A password needs: {self._needs(failed)}.", rules=[rule.value for rule in failed]
            )

    async def failed(self, password: str, *, email: str, name: str) -> list[Rule]:
        # Nobody has to judge a book; that it is too long is known already.
        strength = await self._guessing.strength(password[:LONGEST])
        return weaknesses(password, strength, self._rules, email=email, name=name)

    async def known_to_all(self, user: User, password: str) -> bool:
        """Whether it is one of those that are tried first, or built from name and address."""
        found = await self.failed(password, email=user.email.written, name=user.name)
        return not _NEVER.isdisjoint(found)

    def _needs(self, failed: list[Rule]) -> str:
        says = {
            Rule.TOO_SHORT: f"at least {self._rules.password_from} characters",
            Rule.TOO_LONG: f"at most {LONGEST} characters",
            Rule.NO_SPECIAL: (
                f"a special character, or {self._rules.passphrase_from} characters of any kind"
            ),
            Rule.HOLDS_EMAIL: "nothing of the e-mail address",
            Rule.HOLDS_NAME: "not the name",
            Rule.COMMON: "nothing that everybody tries first",
            Rule.GUESSABLE: "to be harder to guess, such as some words that do not belong together",
        }
        return "; ".join(says[rule] for rule in failed)


#: With one of these a password was never any protection, whatever the settings ask for.
_NEVER = frozenset({Rule.COMMON, Rule.GUESSABLE, Rule.HOLDS_EMAIL, Rule.HOLDS_NAME})


def weaknesses(
    password: str, strength: Strength, rules: IdentityRules, *, email: str, name: str
) -> list[Rule]:
    """Every rule that the password breaks."""
    folded = _folded(password)
    mailbox = _folded(email.rpartition("@")[0])
    called = _folded(name).strip()
    plain = all(c.isalnum() for c in password)
    broken = {
        Rule.TOO_SHORT: len(password) < rules.password_from,
        Rule.TOO_LONG: len(password) > LONGEST,
        Rule.NO_SPECIAL: plain and len(password) < rules.passphrase_from,
        Rule.HOLDS_EMAIL: _holds(folded, mailbox),
        Rule.HOLDS_NAME: _holds(folded, called) or _holds(folded, called.replace(" ", "")),
        Rule.COMMON: strength.common or folded in _COMMON,
        Rule.GUESSABLE: strength.score < rules.password_score,
    }
    return [rule for rule, is_broken in broken.items() if is_broken]


def _holds(password: str, told: str) -> bool:
    return len(told) >= TELLING and told in password


def _folded(text: str) -> str:
    """The same for letters that look alike to whoever reads them aloud: wide, small, capital."""
    return unicodedata.normalize("NFKC", text).casefold()
