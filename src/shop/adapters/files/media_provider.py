"""Pictures in a folder, for dishka."""

from pathlib import Path

from dishka import Provider, Scope, provide

from shop.adapters.files.checkup import FolderCheckup
from shop.adapters.files.media import FolderMedia
from shop.ports.checkup import MediaCheckup
from shop.ports.media import Media


class FolderPictures(Provider):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    @provide(scope=Scope.APP)
    def media(self) -> Media:
        return FolderMedia(self._folder)

    @provide(scope=Scope.APP)
    def checkup(self) -> MediaCheckup:
        return FolderCheckup(self._folder)
