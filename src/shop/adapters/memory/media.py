"""Media, in memory."""

from shop.ports.media import Media, Medium


class MemoryMedia(Media):
    def __init__(self) -> None:
        self._files: dict[str, Medium] = {}

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        self._files.setdefault(key, Medium(body, content_type))

    async def get(self, key: str) -> Medium | None:
        return self._files.get(key)
