"""A mail as RFC 5322 has it: text with an HTML alternative, and headers without a way out.

The standard library takes a millisecond to put one together: it reads each header as text again,
and folds what it has read. It is asked for what could need quotes, encoding or folding, and once
for what many mails share; the rest is written as it is.
"""

import re
from email.headerregistry import Address
from email.message import MIMEPart
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any

from shop.core.notifications.model import Email

#: Octets in a line, by RFC 5322: there must not be more, and should not be.
_LONGEST = 998
_WIDEST = 78
#: What fits into a header as it is, if it is not too long.
_SIMPLE_ADDRESS = re.compile(r"[\w+-]+(?:\.[\w+-]+)*@[a-zA-Z0-9.-]+", re.ASCII)
_SIMPLE_TEXT = re.compile(r"(?!.*=\?)[!-~]+(?: [!-~]+)*")


def as_bytes(email: Email, domain: str, *, eight_bit: bool = True) -> bytes:
    """Raises `ValueError` where a header would hold a line break or an address is none.

    The Message-ID follows from the row: a mail that is sent again is seen to be the same.
    """
    sender, to = sender_of(email), recipient_of(email)
    utf8 = not (sender.username.isascii() and to.username.isascii())
    # In no part, since what is written there is older than the id. The library would search.
    boundary = f"=_{email.id.hex}".encode()
    return b"".join(
        (
            f"Message-ID: <{email.id.hex}@{domain}>\r\n".encode("ascii"),
            f"Date: {format_datetime(email.created_at)}\r\n".encode("ascii"),
            _from(email.sender, utf8=utf8),
            _to(to, utf8=utf8),
            _subject(email.subject, utf8=utf8),
            b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n\r\n' % boundary,
            b"--%b\r\n" % boundary,
            _part(email.text, "plain", eight_bit=eight_bit),
            b"\r\n--%b\r\n" % boundary,
            _part(email.html, "html", eight_bit=eight_bit),
            b"\r\n--%b--\r\n" % boundary,
        )
    )


def sender_of(email: Email) -> Address:
    """Raises `ValueError` for what is no address."""
    return _sender(email.sender)


@lru_cache
def _sender(text: str) -> Address:
    if not text.isprintable():
        raise ValueError("this is no address")
    return _address(*parseaddr(text))


def recipient_of(email: Email) -> Address:
    """Raises `ValueError` for what is no address."""
    return _address("", email.to)


def _address(name: str, text: str) -> Address:
    """One address and no more, whatever signs are in it; every server knows an ASCII domain."""
    local, _, domain = text.rpartition("@")
    if not local or not domain or not text.isprintable():
        raise ValueError("this is no address")
    return Address(name, local, domain.encode("idna").decode())


# --- headers ----------------------------------------------------------------------------------


@lru_cache
def _from(sender: str, *, utf8: bool) -> bytes:
    return _header("From", _sender(sender), utf8=utf8)


def _to(recipient: Address, *, utf8: bool) -> bytes:
    line = f"To: {recipient.username}@{recipient.domain}"
    if len(line) <= _WIDEST and _SIMPLE_ADDRESS.fullmatch(line, len("To: ")):
        return f"{line}\r\n".encode("ascii")
    return _header("To", recipient, utf8=utf8)


@lru_cache
def _subject(text: str, *, utf8: bool) -> bytes:
    line = f"Subject: {text}"
    if len(line) <= _WIDEST and _SIMPLE_TEXT.fullmatch(text):
        return f"{line}\r\n".encode("ascii")
    return _header("Subject", text, utf8=utf8)


def _header(name: str, value: str | Address, *, utf8: bool) -> bytes:
    policy = _policy(utf8=utf8)
    return policy.fold_binary(*policy.header_store_parse(name, value))


@lru_cache
def _policy(*, utf8: bool = False, eight_bit: bool = True) -> "EmailPolicy[Any]":
    return EmailPolicy(linesep="\r\n", utf8=utf8, cte_type="8bit" if eight_bit else "7bit")


# --- bodies -----------------------------------------------------------------------------------


def _part(text: str, kind: str, *, eight_bit: bool) -> bytes:
    """As it is, so that links stay whole, wherever the way to the reader takes it so."""
    lines = text.encode().splitlines()
    ascii_only = text.isascii()
    if any(len(line) > _LONGEST for line in lines) or not (ascii_only or eight_bit):
        part = MIMEPart(policy=_policy(eight_bit=eight_bit))
        part.set_content(text, subtype=kind)
        return part.as_bytes()
    encoding = b"7bit" if ascii_only else b"8bit"
    head = b'Content-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: %b\r\n\r\n'
    return b"%b%b\r\n" % (head % (kind.encode(), encoding), b"\r\n".join(lines))
