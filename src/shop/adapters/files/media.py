"""Media in a folder."""

import asyncio
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile

from shop.ports.media import Media, Medium

_KEY = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}")
#: The ending of the key says what the file is; it is all the folder keeps.
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
}


class FolderMedia(Media):
    """One file a key, in folders of its first two letters; a file appears whole, by rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        if not _KEY.fullmatch(key) or _TYPES.get(key.rpartition(".")[2]) != content_type:
            raise ValueError(f"{key!r} is no key for {content_type}.")
        await asyncio.to_thread(self._write, self._path(key), body)

    async def get(self, key: str) -> Medium | None:
        content_type = _TYPES.get(key.rpartition(".")[2])
        if content_type is None or not _KEY.fullmatch(key):
            return None
        body = await asyncio.to_thread(_read, self._path(key))
        return None if body is None else Medium(body, content_type)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    @staticmethod
    def _write(path: Path, body: bytes) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).rename(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
