"""What everybody who takes mail does alike: memory, a folder, and a server."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shop.adapters.mail.folder import MailFiles
from shop.adapters.mail.message import as_bytes
from shop.adapters.mail.smtp import SmtpMail, server_of
from shop.adapters.memory.notifications import MemoryMail
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email
from shop.ports.mail import MailTransport, NotSent
from tests.kit.clock import NOON
from tests.kit.postoffice import post_office

DOMAIN = "shop.example"


class Box(Struct):
    """A transport, and what arrived through it."""

    transport: MailTransport
    arrived: Callable[[], list[EmailMessage]]


@pytest.fixture(params=["memory", "folder", "smtp", "smtp-7bit"])
async def box(request: Any, tmp_path: Path) -> AsyncIterator[Box]:
    if request.param == "memory":
        memory = MemoryMail()
        yield Box(memory, lambda: [read(as_bytes(one, DOMAIN)) for one in memory.sent.values()])
    elif request.param == "folder":
        yield Box(MailFiles(tmp_path, domain=DOMAIN), lambda: in_folder(tmp_path))
    else:
        async with post_office() as office:
            url = f"smtp://localhost:{office.port}?starttls=never"
            mail = SmtpMail(server_of(url), domain=DOMAIN)
            office.seven_bit = request.param == "smtp-7bit"
            yield Box(mail, lambda: office.taken)
            await mail.close()


def in_folder(folder: Path) -> list[EmailMessage]:
    return [read(file.read_bytes()) for file in folder.iterdir()]


def read(message: bytes) -> EmailMessage:
    return message_from_bytes(message, policy=default)


def a_mail(**changes: Any) -> Email:
    id_ = EmailId(Uuid7().new())
    given: dict[str, Any] = {
        "id": id_,
        "dedupe": f"test:{id_.hex}",
        "to": "asha@example.com",
        "sender": "Krämer & Söhne <shop@example.com>",
        "subject": "Your order over ₹1,299.00",
        "text": "Grüße, here is it:\n\nhttps://shop.example/verify-email?token=ab_c-d=\n.\n..\n",
        "html": "<p>Grüße</p>\n",
        "created_at": NOON,
    }
    return Email(**given | changes)


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    text: str = part.get_content().replace("\r\n", "\n")
    return text


async def test_a_mail_arrives_as_text_and_html(box: Box) -> None:
    mail = a_mail()
    await box.transport.send(mail)
    [message] = box.arrived()
    assert message["Message-ID"] == f"<{mail.id.hex}@{DOMAIN}>"
    assert message["Date"].datetime == NOON
    assert message["To"] == mail.to
    assert message["From"].addresses[0].display_name == "Krämer & Söhne"
    assert message["Subject"] == mail.subject
    assert text_of(message, "plain") == mail.text
    assert text_of(message, "html") == mail.html


async def test_a_mail_sent_again_is_seen_to_be_the_same(box: Box) -> None:
    mail = a_mail()
    for _ in range(2):
        await box.transport.send(mail)
    arrived = box.arrived()
    assert len(arrived) == (1 if box.transport.repeatable else 2)
    assert len({message["Message-ID"] for message in arrived}) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "asha@example.com\r\nBcc: all@example.com"},
        {"to": "asha@example.com\r\nRCPT TO:<all@example.com>"},
        {"to": "asha@example.com>\nDATA"},
        {"to": "nobody"},
        {"sender": "Shop\r\nBcc: all@example.com <shop@example.com>"},
        {"sender": "Shop <shop@example.com\r\n>"},
        {"subject": "Hello\r\nBcc: all@example.com"},
        {"subject": "Hello\n\nA body of its own"},
    ],
    ids=repr,
)
async def test_nothing_breaks_out_of_a_header(box: Box, wrong: dict[str, str]) -> None:
    if isinstance(box.transport, MemoryMail):
        return  # it writes no headers
    with pytest.raises(NotSent) as caught:
        await box.transport.send(a_mail(**wrong))
    assert caught.value.for_good
    assert box.arrived() == []
    await box.transport.send(a_mail())
    assert len(box.arrived()) == 1


async def test_long_lines_arrive_whole(box: Box) -> None:
    mail = a_mail(text="x" * 3000 + "\n", html="<p>" + "ü" * 1200 + "</p>\n")
    await box.transport.send(replace(mail, created_at=NOON + timedelta(seconds=1)))
    [message] = box.arrived()
    assert text_of(message, "plain") == mail.text
    assert text_of(message, "html") == mail.html
