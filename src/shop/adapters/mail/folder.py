"""Mail as files: one `.eml` a message, as any mail program opens it."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.errors import MessageError
from pathlib import Path

from shop.adapters.mail.message import as_message
from shop.core.notifications.model import Email
from shop.ports.mail import MailTransport, NotSent


class MailFiles(MailTransport):
    """Names begin with the time of queueing, so that the newest is last, and end with the id of
    the mail, so that sending it again replaces its file."""

    repeatable = True

    def __init__(self, folder: Path, *, domain: str) -> None:
        self._folder = folder
        self._domain = domain
        # The library takes milliseconds for the headers of a mail: not on the event loop, and not
        # in several threads, which would only take Python's lock from one another.
        self._thread = ThreadPoolExecutor(1, "mail-files")

    async def send(self, email: Email) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, email)

    def close(self) -> None:
        self._thread.shutdown(wait=False)

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
