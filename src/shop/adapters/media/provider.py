"""Media, for dishka. Its library loads when it is first needed."""

from pathlib import Path

from dishka import Provider, Scope, provide

from shop.adapters.media.bucket import Bucket
from shop.ports.checkup import MediaCheckup
from shop.ports.media import Media


class Pictures(Provider):
    """`url` is `memory:`, `file:folder` or `s3://bucket/prefix`."""

    scope = Scope.APP

    def __init__(self, url: str, bucket: Bucket) -> None:
        super().__init__()
        self._url = url
        self._scheme, _, self._place = url.partition(":")
        self._bucket = bucket

    @provide
    def media(self) -> Media:
        from shop.adapters.media import objects

        if self._scheme == "memory":
            return objects.ObjectMedia(objects.memory_store())
        if self._scheme == "file":
            folder = Path(self._place)
            return objects.ObjectMedia(objects.folder_store(folder), folder=folder)
        return objects.ObjectMedia(objects.bucket_store(self._url, self._bucket))

    @provide
    def checkup(self) -> MediaCheckup:
        from shop.adapters.media import checkup, objects

        if self._scheme == "memory":
            return checkup.MemoryCheckup()
        if self._scheme == "file":
            return checkup.FolderCheckup(Path(self._place))
        return checkup.BucketCheckup(objects.bucket_store(self._url, self._bucket), self._url)
