"""What is written by hand is what the standard library would write."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from typing import Any
from uuid import UUID

import pytest

from shop.adapters.mail.message import as_bytes
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email


def a_mail(**changes: Any) -> Email:
    given: dict[str, Any] = {
        "id": EmailId(UUID("01940000-0000-7000-8000-000000000001")),
        "dedupe": "test:1",
        "to": "asha@example.com",
        "sender": "Shop <shop@example.com>",
        "subject": "Please prove your address",
        "text": "Hello,\n\nhttps://shop.example/verify-email?token=ab_c-d=\n",
        "html": "<p>Hello</p>\n",
        "created_at": datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    }
    return Email(**given | changes)


def by_the_library(
    email: Email, sender: Address, to: Address, encoding: str | None, *, utf8: bool, cte: str
) -> bytes:
    policy = EmailPolicy(linesep="\r\n", utf8=utf8, cte_type=cte)
    message = EmailMessage(policy=policy)
    message["Message-ID"] = f"<{email.id.hex}@shop.example>"
    message["Date"] = email.created_at
    message["From"] = sender
    message["To"] = to
    message["Subject"] = email.subject
    message["Auto-Submitted"] = "auto-generated"
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = f'multipart/alternative; boundary="=_{email.id.hex}"'
    for text, kind in ((email.text, "plain"), (email.html, "html")):
        part: Any = MIMEPart(policy=policy)
        part.set_content(text, subtype=kind, cte=encoding)
        message.attach(part)
    return message.as_bytes()


SHOP = Address("Shop", addr_spec="shop@example.com")
ASHA = Address(addr_spec="asha@example.com")
LONG = f"{'a.long-' * 9}name@a-long-domain.example.com"


@pytest.mark.parametrize(
    ("changes", "sender", "to", "encoding"),
    [
        ({}, SHOP, ASHA, "7bit"),
        ({"text": "", "html": ""}, SHOP, ASHA, "7bit"),
        ({"text": "no end\r\n.\n\r\n..\rFrom me\n--=_\n  "}, SHOP, ASHA, "7bit"),
        ({"text": "Grüße über ₹1\n", "html": "<p>ü</p>"}, SHOP, ASHA, "8bit"),
        ({"subject": ""}, SHOP, ASHA, "7bit"),
        ({"subject": "Two  spaces, and one at the end "}, SHOP, ASHA, "7bit"),
        ({"subject": "Your order over ₹1,299.00"}, SHOP, ASHA, "7bit"),
        ({"subject": "=?utf-8?q?Not_what_it_says?="}, SHOP, ASHA, "7bit"),
        ({"subject": "Words " * 11 + "end"}, SHOP, ASHA, "7bit"),
        ({"subject": "Words " * 12 + "end"}, SHOP, ASHA, "7bit"),
        ({"subject": "w" * 100}, SHOP, ASHA, "7bit"),
        ({"to": "o'k!#$%@example.com"}, SHOP, Address(addr_spec="o'k!#$%@example.com"), "7bit"),
        ({"to": "a b@example.com"}, SHOP, Address("", "a b", "example.com"), "7bit"),
        ({"to": ".a..b@example.com"}, SHOP, Address("", ".a..b", "example.com"), "7bit"),
        ({"to": LONG}, SHOP, Address(addr_spec=LONG), "7bit"),
        ({"to": "a@bücher.example"}, SHOP, Address("", "a", "xn--bcher-kva.example"), "7bit"),
        ({"to": "jürgen@example.com"}, SHOP, Address("", "jürgen", "example.com"), "7bit"),
        ({"sender": "a@b.example"}, Address(addr_spec="a@b.example"), ASHA, "7bit"),
        (
            {"sender": '"Krämer, & Söhne" <shop@example.com>'},
            Address("Krämer, & Söhne", addr_spec="shop@example.com"),
            ASHA,
            "7bit",
        ),
    ],
)
def test_it_is_written_as_the_library_writes_it(
    changes: dict[str, str], sender: Address, to: Address, encoding: str
) -> None:
    mail = a_mail(**changes)
    known = by_the_library(mail, sender, to, encoding, utf8=not to.username.isascii(), cte="8bit")
    for _ in range(2):  # what is shared by mails comes from memory then
        assert as_bytes(mail, "shop.example") == known


@pytest.mark.parametrize("eight_bit", [True, False])
def test_lines_that_no_server_takes_are_encoded(eight_bit: bool) -> None:  # noqa: FBT001
    mail = a_mail(text="x" * 999 + "\n", html="<p>" + "ü" * 500 + "</p>\n")
    written = as_bytes(mail, "shop.example", eight_bit=eight_bit)
    assert written.isascii()
    assert max(map(len, written.split(b"\r\n"))) <= 78


def test_a_server_for_seven_bits_gets_no_others() -> None:
    mail = a_mail(text="Grüße\n", html="<p>Grüße</p>\n")
    known = by_the_library(mail, SHOP, ASHA, None, utf8=False, cte="7bit")
    assert as_bytes(mail, "shop.example", eight_bit=False) == known
