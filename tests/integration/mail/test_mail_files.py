"""Mails as files."""

import email
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from shop.adapters.mail.folder import MailFiles
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email
from shop.ports.mail import NotSent

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MAIL = Email(
    id=EmailId(UUID("01940000-0000-7000-8000-000000000001")),
    dedupe="test:1",
    to="asha@example.com",
    sender="Krämer & Söhne <shop@example.com>",
    subject="Ihre Bestellung über ₹1,29,900.00",
    text="Hallo Jürgen,\n\nhttps://shop.example.com/verify-email?token=ab_c-d=\n",
    html="<p>Hallo Jürgen</p>\n",
    created_at=NOON,
)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def text_of(folder: Path) -> str:
    [name] = names(folder)
    return (folder / name).read_bytes().decode()


def only(folder: Path) -> EmailMessage:
    message = email.message_from_bytes(text_of(folder).encode(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_can_be_read_back(tmp_path: Path) -> None:
    await MailFiles(tmp_path / "mail", domain="shop.example.com").send(MAIL)
    message = only(tmp_path / "mail")
    assert message["To"] == "asha@example.com"
    assert message["From"].addresses[0].display_name == "Krämer & Söhne"
    assert message["Subject"] == MAIL.subject
    assert message["Message-ID"] == "<01940000000070008000000000000001@shop.example.com>"
    assert message["Date"].datetime == NOON
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().replace("\r\n", "\n") == MAIL.html


async def test_a_link_stays_whole_in_the_file(tmp_path: Path) -> None:
    await MailFiles(tmp_path, domain="shop.example.com").send(MAIL)
    assert "\r\nhttps://shop.example.com/verify-email?token=ab_c-d=\r\n" in text_of(tmp_path)


async def test_sending_again_replaces_the_file(tmp_path: Path) -> None:
    post = MailFiles(tmp_path, domain="shop.example.com")
    await post.send(MAIL)
    await post.send(replace(MAIL, attempts=3))
    only(tmp_path)


async def test_the_newest_mail_is_the_last_file(tmp_path: Path) -> None:
    post = MailFiles(tmp_path, domain="shop.example.com")
    later = replace(
        MAIL, id=EmailId(UUID(int=1)), created_at=NOON + timedelta(milliseconds=1), subject="Later"
    )
    await post.send(later)
    await post.send(MAIL)
    assert [name.rpartition("-")[2] for name in names(tmp_path)] == [
        f"{MAIL.id.hex}.eml",
        f"{later.id.hex}.eml",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "asha@example.com\r\nBcc: other@example.com"},
        {"to": "asha@example.com\nBcc: other@example.com"},
        {"to": "nobody"},
        {"to": "@example.com"},
        {"subject": "Hello\r\nBcc: other@example.com"},
        {"sender": "Shop\r\nBcc: other@example.com <shop@example.com>"},
    ],
)
async def test_nobody_smuggles_a_header_in(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(NotSent) as refusal:
        await MailFiles(tmp_path, domain="shop.example.com").send(replace(MAIL, **wrong))
    assert refusal.value.for_good
    assert names(tmp_path) == []


async def test_a_list_of_addresses_is_one_odd_address(tmp_path: Path) -> None:
    post = MailFiles(tmp_path, domain="shop.example.com")
    await post.send(replace(MAIL, to="asha@example.com, other@example.com"))
    assert len(only(tmp_path)["To"].addresses) == 1


async def test_addresses_of_any_script_are_written(tmp_path: Path) -> None:
    await MailFiles(tmp_path, domain="shop.example.com").send(replace(MAIL, to="जया@उदाहरण.भारत"))
    assert "To: जया@xn--p1b6ci4b4b3a.xn--h2brj9c\r\n" in text_of(tmp_path)


async def test_very_long_lines_survive(tmp_path: Path) -> None:
    long = replace(MAIL, text="x" * 5000 + "\n")
    await MailFiles(tmp_path, domain="shop.example.com").send(long)
    text = only(tmp_path).get_body(("plain",))
    assert text is not None
    assert text.get_content().strip() == "x" * 5000


async def test_a_folder_that_cannot_be_written_means_try_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(NotSent) as refusal:
        await MailFiles(tmp_path / "mail", domain="shop.example.com").send(MAIL)
    assert not refusal.value.for_good
