"""Which passwords are good enough."""

from enum import StrEnum

from shop.core.users.model import IdentityRules, WeakPassword
from shop.ports.users import Passwords

PASSPHRASE = 16
LONGEST = 128
#: Shorter names and mailboxes turn up in good passwords by accident.
TELLING = 4
FEWEST_CHARACTERS = 4


class Rule(StrEnum):
    """Names that programs may rely on."""

    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    NO_SPECIAL = "no-special-character"
    HOLDS_EMAIL = "contains-email"
    HOLDS_NAME = "contains-name"
    COMMON = "too-common"


#: Passwords long enough for the rules above that guessing programs try early.
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
    def __init__(self, passwords: Passwords, rules: IdentityRules) -> None:
        self._passwords = passwords
        self._shortest = rules.password_from

    async def hash(self, password: str, *, email: str, name: str) -> str:
        """The hash of a password that is good enough for whom it is meant.

        Raises `WeakPassword`, with every rule that failed in facts `rules`, or `Unavailable`.
        """
        failed = weaknesses(password, email=email, name=name, shortest=self._shortest)
        if failed:
            says = {
                Rule.TOO_SHORT: f"at least {self._shortest} characters",
                Rule.TOO_LONG: f"at most {LONGEST} characters",
                Rule.NO_SPECIAL: f"a special character, or {PASSPHRASE} characters of any kind",
                Rule.HOLDS_EMAIL: "nothing of the e-mail address",
                Rule.HOLDS_NAME: "not the name",
                Rule.COMMON: "nothing that everybody tries first",
            }
            needs = "; ".join(says[rule] for rule in failed)
            raise WeakPassword(f"A password needs: {needs}.", rules=[rule.value for rule in failed])
        return await self._passwords.hash(password)


def weaknesses(password: str, *, email: str, name: str, shortest: int = 10) -> list[Rule]:
    folded = password.casefold()
    mailbox = email.partition("@")[0].casefold()
    called = name.casefold().strip()
    rules = {
        Rule.TOO_SHORT: len(password) < shortest,
        Rule.TOO_LONG: len(password) > LONGEST,
        Rule.NO_SPECIAL: len(password) < PASSPHRASE and all(c.isalnum() for c in password),
        Rule.HOLDS_EMAIL: len(mailbox) >= TELLING and mailbox in folded,
        Rule.HOLDS_NAME: len(called) >= TELLING and _holds(folded, called),
        Rule.COMMON: folded in _COMMON or len(set(folded)) < FEWEST_CHARACTERS,
    }
    return [rule for rule, broken in rules.items() if broken]


def _holds(password: str, name: str) -> bool:
    return name in password or name.replace(" ", "") in password
