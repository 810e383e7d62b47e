"""Mail as files: one `.eml` a message, as any mail program opens it."""

import asyncio
import os
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from pathlib import Path

from shop.core.notifications.model import Email
from shop.ports.mail import MailTransport, NotSent

#: Octets in a line, by RFC 5322.
_LONGEST = 998


class MailFiles(MailTransport):
    """Names begin with the time of queueing, so that the newest is last, and end with the id of
    the mail, so that sending it again replaces its file."""

    def __init__(self, folder: Path, *, domain: str) -> None:
        self._folder = folder
        self._domain = domain

    async def send(self, email: Email) -> None:
        # The library takes milliseconds for the headers of a mail: not on the event loop.
        await asyncio.get_running_loop().run_in_executor(None, self._send, email)

    def _send(self, email: Email) -> None:
        try:
            message = as_message(email, self._domain).as_bytes()
        except (ValueError, MessageError) as error:
            raise NotSent(f"This mail cannot be written: {error}", for_good=True) from error
        name = f"{email.created_at:%Y%m%dT%H%M%S.%fZ}-{email.id.hex}.eml"
        try:
            _write(self._folder, name, message)
        except OSError as error:
            raise NotSent(f"The file cannot be written: {error.strerror}") from error


def as_message(email: Email, domain: str) -> EmailMessage:
    """Raises `ValueError` where a header would hold a line break or an address is none."""
    sender, to = _address(*_parts(email.sender)), _address("", email.to)
    plain = sender.username.isascii() and to.username.isascii()
    message = EmailMessage(policy=SMTP if plain else SMTPUTF8)
    message["Message-ID"] = f"<{email.id.hex}@{domain}>"
    message["Date"] = email.created_at
    message["From"] = sender
    message["To"] = to
    message["Subject"] = email.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.text, cte=_encoding(email.text))
    message.add_alternative(email.html, subtype="html", cte=_encoding(email.html))
    return message


def _parts(sender: str) -> tuple[str, str]:
    if not sender.isprintable():
        raise ValueError("this is no address")
    return parseaddr(sender)


def _address(name: str, text: str) -> Address:
    """One address and no more, whatever signs are in it; every server knows an ASCII domain."""
    local, _, domain = text.rpartition("@")
    if not local or not domain or not text.isprintable():
        raise ValueError("this is no address")
    return Address(name, local, domain.encode("idna").decode())


def _encoding(text: str) -> str | None:
    """As it is, so that links stay whole; None leaves long lines to the library."""
    if any(len(line) > _LONGEST for line in text.encode().splitlines()):
        return None
    return "7bit" if text.isascii() else "8bit"


def _write(folder: Path, name: str, message: bytes) -> None:
    """The file appears whole, by rename, and is on the disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{name}.part"
    try:
        with unfinished.open("wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / name)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
