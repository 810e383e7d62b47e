"""Mail as files, for dishka."""

from pathlib import Path

from dishka import Provider, Scope, provide

from shop.adapters.files.checkup import FolderCheckup
from shop.adapters.files.mail import MailFiles
from shop.ports.checkup import MailCheckup
from shop.ports.mail import MailTransport


class FilePosting(Provider):
    def __init__(self, folder: Path, domain: str) -> None:
        super().__init__()
        self._folder = folder
        self._domain = domain

    @provide(scope=Scope.APP)
    def transport(self) -> MailTransport:
        return MailFiles(self._folder, domain=self._domain)

    @provide(scope=Scope.APP)
    def checkup(self) -> MailCheckup:
        return FolderCheckup(self._folder)
