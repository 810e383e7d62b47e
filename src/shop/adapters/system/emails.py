"""E-mail addresses by email-validator. The DNS is never asked."""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from shop.core.kernel.errors import Malformed
from shop.core.users.model import EmailAddress
from shop.ports.users import EmailAddresses

_LONGEST = 254


class ValidatedAddresses(EmailAddresses):
    """The key ignores case, also before the @: nobody runs two mailboxes that differ in it.

    Names of test machines (`.test`) are let through. Characters beyond ASCII may stand in the
    domain only, since few mail servers take them elsewhere.
    """

    def parse(self, text: str) -> EmailAddress:
        return _parse(text)


@lru_cache(maxsize=1024)  # a customer's address is looked at in several calls of one purchase
def _parse(text: str) -> EmailAddress:
    try:
        found = validate_email(
            text[: _LONGEST + 1].strip(),
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise Malformed(str(error), field="email", kind="format") from None
    ascii_email = found.ascii_email or found.normalized
    return EmailAddress(written=found.normalized, key=ascii_email.lower())
