"""A mail as RFC 5322 has it: text with an HTML alternative, and headers without a way out."""

from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, Self

from shop.core.notifications.model import Email

#: Octets in a line, by RFC 5322.
_LONGEST = 998


class _Headers(HeaderRegistry):
    """The library's, which makes a class anew for every single header and reads each text anew:
    but for a few of them, all headers of a template's mails are the same."""

    __getitem__ = lru_cache(maxsize=64)(HeaderRegistry.__getitem__)

    def __call__(self, name: str, value: Any) -> Any:
        return _header(name, value) if type(value) is str else super().__call__(name, value)


class _Policy(EmailPolicy):
    def clone(self, **changes: Any) -> Self:
        """The library asks for one of each part, to change nothing."""
        same = all(getattr(self, name) == value for name, value in changes.items())
        return self if same else super().clone(**changes)

    fold_binary = lru_cache(maxsize=256)(EmailPolicy.fold_binary)


_HEADERS = _Headers()
_header = lru_cache(maxsize=256)(super(_Headers, _HEADERS).__call__)


@lru_cache
def _policy(*, utf8: bool, eight_bit: bool) -> EmailPolicy:
    cte_type = "8bit" if eight_bit else "7bit"
    return _Policy(linesep="\r\n", utf8=utf8, cte_type=cte_type, header_factory=_HEADERS)


def as_message(email: Email, domain: str, *, eight_bit: bool = True) -> EmailMessage:
    """Raises `ValueError` where a header would hold a line break or an address is none.

    The Message-ID follows from the row: a mail that is sent again is seen to be the same.
    """
    sender, to = sender_of(email), recipient_of(email)
    plain = sender.username.isascii() and to.username.isascii()
    message = EmailMessage(policy=_policy(utf8=not plain, eight_bit=eight_bit))
    message["Message-ID"] = f"<{email.id.hex}@{domain}>"
    message["Date"] = email.created_at
    message["From"] = sender
    message["To"] = to
    message["Subject"] = email.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.text, cte=_encoding(email.text, eight_bit=eight_bit))
    # In no part, since what is written there is older than the id. The library would search.
    message.make_alternative(boundary=f"=_{email.id.hex}")
    message.add_alternative(
        email.html, subtype="html", cte=_encoding(email.html, eight_bit=eight_bit)
    )
    return message


def sender_of(email: Email) -> Address:
    """Raises `ValueError` for what is no address."""
    if not email.sender.isprintable():
        raise ValueError("this is no address")
    return _address(*parseaddr(email.sender))


def recipient_of(email: Email) -> Address:
    """Raises `ValueError` for what is no address."""
    return _address("", email.to)


def _address(name: str, text: str) -> Address:
    """One address and no more, whatever signs are in it; every server knows an ASCII domain."""
    local, _, domain = text.rpartition("@")
    if not local or not domain or not text.isprintable():
        raise ValueError("this is no address")
    return Address(name, local, domain.encode("idna").decode())


def _encoding(text: str, *, eight_bit: bool) -> str | None:
    """As it is, so that links stay whole; None leaves the rest to the library."""
    if any(len(line) > _LONGEST for line in text.encode().splitlines()):
        return None
    if text.isascii():
        return "7bit"
    return "8bit" if eight_bit else None
