"""Mail as files: one `.eml` a message, as any mail program opens it."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import MessageError
from functools import partial
from pathlib import Path
from typing import BinaryIO

from shop.adapters.mail.message import as_bytes
from shop.core.notifications.model import Email
from shop.ports.mail import MailTransport, NotSent
from shop.threads import Threads


class MailFiles(MailTransport):
    """Names begin with the time of queueing, so that the newest is last, and end with the id of
    the mail, so that sending it again replaces its file."""

    repeatable = True

    def __init__(self, folder: Path, *, domain: str) -> None:
        self._folder = folder
        self._domain = domain
        # One, since several would only take Python's lock from one another.
        self._thread = Threads("mail-files")
        self._flushing: asyncio.Future[None] | None = None

    async def send(self, email: Email) -> None:
        await self._thread.submit(partial(self._send, email))
        # Mails that are sent side by side share one: the thread does one thing after the other, so
        # a flush that has not ended yet comes after this file.
        if self._flushing is None or self._flushing.done():
            self._flushing = self._thread.submit(self._flush)
        await asyncio.shield(self._flushing)

    def close(self) -> None:
        self._thread.close()

    def _send(self, email: Email) -> None:
        try:
            message = as_bytes(email, self._domain)
        except (ValueError, MessageError) as error:
            raise NotSent(f"This mail cannot be written: {error}", for_good=True) from error
        name = f"{email.created_at:%Y%m%dT%H%M%S.%fZ}-{email.id.hex}.eml"
        with _told():
            _write(self._folder, name, message)

    def _flush(self) -> None:
        """Put the names on the disk."""
        with _told():
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotSent(f"The file cannot be written: {error.strerror}") from error


def _write(folder: Path, name: str, message: bytes) -> None:
    """The file appears whole, by rename; its content is on the disk when this returns."""
    unfinished = folder / f".{name}.part"
    try:
        with _created(unfinished) as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / name)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _created(file: Path) -> BinaryIO:
    try:
        return file.open("wb")
    except FileNotFoundError:  # of all mails, the first makes the folder
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("wb")
