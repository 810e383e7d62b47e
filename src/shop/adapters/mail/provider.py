"""The post, for dishka."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from dishka import Provider, Scope, provide

from shop.adapters.mail.folder import MailFiles
from shop.adapters.mail.folder_checkup import FolderCheckup
from shop.ports.checkup import MailCheckup
from shop.ports.mail import MailTransport


class FilePosting(Provider):
    scope = Scope.APP

    def __init__(self, folder: Path, domain: str) -> None:
        super().__init__()
        self._folder = folder
        self._domain = domain

    @provide
    def transport(self) -> Iterator[MailTransport]:
        mail = MailFiles(self._folder, domain=self._domain)
        yield mail
        mail.close()

    @provide
    def checkup(self) -> MailCheckup:
        return FolderCheckup(self._folder)


class SmtpPosting(Provider):
    """`url` as `smtp.server_of` reads it; `domain` makes the Message-IDs ours."""

    scope = Scope.APP

    def __init__(self, url: str, domain: str) -> None:
        super().__init__()
        self._url = url
        self._domain = domain

    @provide
    async def transport(self) -> AsyncIterator[MailTransport]:
        from shop.adapters.mail.smtp import SmtpMail, server_of

        mail = SmtpMail(server_of(self._url), domain=self._domain)
        yield mail
        await mail.close()

    @provide
    def checkup(self) -> MailCheckup:
        from shop.adapters.mail.smtp import SmtpMail, server_of
        from shop.adapters.mail.smtp_checkup import SmtpCheckup

        server = server_of(self._url)
        place = f"{server.host}:{server.port}"
        return SmtpCheckup(SmtpMail(server, domain=self._domain), place)
