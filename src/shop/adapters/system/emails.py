"""E-mail addresses by email-validator. The DNS is never asked."""

import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from shop.core.kernel.errors import Malformed
from shop.core.users.model import EmailAddress
from shop.ports.users import EmailAddresses

_LONGEST = 254
#: Alphabets with letters that look like those of another one of them.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
#: Small letters of other alphabets that nobody can tell from Latin ones.
_LOOKS_LATIN = frozenset("аԁезһіјӏոօрԛѕυսνԝхуѵցհռαγικορτυχᴏ")


class ValidatedAddresses(EmailAddresses):
    """The key ignores case, also before the @: nobody runs two mailboxes that differ in it.

    Names of test machines (`.test`) are let through. Characters beyond ASCII may stand in the
    domain only, since few mail servers take them elsewhere. A domain is written as it is read,
    unless it could be taken for another: then in the ASCII form that it travels in.
    """

    def parse(self, text: str) -> EmailAddress:
        return _parse(text.strip()[: _LONGEST + 1])


@lru_cache(maxsize=1024)  # a customer's address is looked at in several calls of one purchase
def _parse(text: str) -> EmailAddress:
    try:
        found = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise Malformed(str(error), field="email", kind="format") from None
    ascii_email = found.ascii_email or found.normalized
    labels = found.domain.split(".")
    if any(len(_alphabets(label)) > 1 for label in labels):
        raise Malformed(
            "The part after the @ mixes letters of several alphabets that look alike.",
            field="email",
            kind="format",
        )
    told = found.normalized if all(map(_plain, labels)) else ascii_email
    return EmailAddress(written=told, key=ascii_email.lower())


def _alphabets(label: str) -> set[str]:
    """Those of its letters that people mistake for one another."""
    names = {unicodedata.name(c, "").partition(" ")[0] for c in label if c.isalpha()}
    return names & _ALIKE


def _plain(label: str) -> bool:
    """Whether somebody who reads it knows which domain is meant."""
    return label.isascii() or not _LOOKS_LATIN.issuperset(c for c in label if c.isalpha())
