"""Media as objects: in a folder, in memory, or in a bucket of anything that speaks S3."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from shop.adapters.media.bucket import Bucket
from shop.core.kernel.errors import Invalid, Unavailable
from shop.ports.media import Media, Medium

if TYPE_CHECKING:  # the library has them for checkers only
    from obstore.store import ClientConfig, S3Config

Store = LocalStore | MemoryStore | S3Store

_KEY = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}")
#: The ending of the key says what the file is; it is all that a folder keeps.
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class MediaUnavailable(Unavailable):
    code = "media-unavailable"


class ObjectMedia(Media):
    """One object a key, below its first two letters; it appears whole or not at all."""

    def __init__(self, store: Store, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        if content_type_of(key) != content_type:
            raise ValueError(f"{key!r} is no key for {content_type}.")
        path = _path(key)
        # A folder keeps no attributes. Elsewhere a proxy may hand the object out by itself.
        about = {"Content-Type": content_type, "Cache-Control": _FOR_EVER}
        with _translated():
            try:
                await self._store.put_async(
                    path, body, mode="create", attributes=None if self._folder else about
                )
            except AlreadyExistsError:
                return
        if self._folder is not None:
            await asyncio.to_thread(_keep, self._folder / path)

    async def get(self, key: str) -> Medium | None:
        content_type = content_type_of(key)
        if content_type is None:
            return None
        with _translated():
            try:
                found = await self._store.get_async(_path(key))
            except FileNotFoundError:
                return None
            return Medium(bytes(await found.bytes_async()), content_type)

    async def every(self) -> AsyncIterator[str]:
        with _translated():
            async for page in self._store.list():
                for found in page:
                    key = found["path"].rpartition("/")[2]
                    # The doctor's probe is no picture, and neither is what others put there.
                    if found["path"] == _path(key) and content_type_of(key) is not None:
                        yield key


def content_type_of(key: str) -> str | None:
    """Of a file that may be kept; None for what is no key."""
    return _TYPES.get(key.rpartition(".")[2]) if _KEY.fullmatch(key) else None


def memory_store() -> MemoryStore:
    return MemoryStore()


def folder_store(folder: Path) -> LocalStore:
    return LocalStore(prefix=folder, mkdir=True)


def bucket_store(url: str, bucket: Bucket) -> S3Store:
    """For `s3://bucket/prefix`."""
    parts = urlsplit(url)
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=2),
        "timeout": timedelta(seconds=5),
    }
    if bucket.endpoint.startswith("http://"):
        client["allow_http"] = True
    if bucket.ca:
        client["root_certificate"] = _certificates(bucket.ca)
    given: S3Config = {}
    if bucket.endpoint:
        given["endpoint"] = bucket.endpoint
    if bucket.region:
        given["region"] = bucket.region
    if bucket.key_id:
        given["access_key_id"] = bucket.key_id
        given["secret_access_key"] = bucket.key_secret
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=given,
        client_options=client,
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=8)},
    )


def _certificates(file: str) -> bytes:
    """Raises `Invalid` where it is no such file, before a picture is asked for."""
    try:
        found = Path(file).read_bytes()
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(
            f"SHOP_MEDIA_CA (media.ca): {file} cannot be used ({error.strerror or error})."
        ) from None
    return found


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise MediaUnavailable("The pictures cannot be reached now.") from error


def _path(key: str) -> str:
    return f"{key[:2]}/{key}"


def _keep(path: Path) -> None:
    """Only what is on the disk survives a power cut: the file, and its name."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
