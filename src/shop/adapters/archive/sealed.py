"""A file of named parts, encrypted in chunks, that shows every change and every missing byte.

    magic, form (0 without a key, 1 with one), salt,
    then chunks: length in 4 bytes, AES-256-GCM of one letter and its content.

`P` begins a part and names it, `D` is a block of it, `M` is the manifest and the last chunk. The
nonce counts the chunks and marks the last one, so none can be left out, moved or cut off. Without
a key the same seal is made from an empty one: it shows damage, and hides nothing.
"""

import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

SALT = 32
_MAGIC = b"shop backup 1\n"
_BLOCK = 1 << 20
#: A block, its letter and the seal; the manifest alone may be longer, with a line for each picture.
_MOST = _BLOCK + 1 + 16
_MOST_LAST = 256 << 20
_NAME = re.compile(r"database|media/[a-z0-9][a-z0-9.-]{0,127}")


class Damaged(Exception):
    """Why the file is no whole backup, or cannot be opened; one line for people."""


class Part(Struct, frozen=True):
    size: int
    sha256: str


class Manifest(Struct, frozen=True):
    """What is in a backup, and what made it."""

    version: str
    created_at: str
    kind: str
    revision: str
    parts: dict[str, Part]
    position: str = ""


class _Sum(Protocol):
    def update(self, block: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Sums:
    """Size and SHA-256 of each part, as it goes by."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._sums: dict[str, _Sum] = {}
        self._name = ""

    def begin(self, name: str) -> None:
        if not _NAME.fullmatch(name) or name in self._sums:
            raise ValueError(f"{name!r} cannot be the name of a part.")
        self._name = name
        self._sizes[name] = 0
        self._sums[name] = sha256()

    def add(self, block: bytes) -> None:
        self._sizes[self._name] += len(block)
        self._sums[self._name].update(block)

    def parts(self) -> dict[str, Part]:
        return {
            name: Part(self._sizes[name], digest.hexdigest()) for name, digest in self._sums.items()
        }


def _cipher(key: str, salt: bytes) -> AESGCM:
    derived = HKDF(SHA256(), 32, salt, _MAGIC).derive(key.encode())
    return AESGCM(derived)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Writer:
    """Parts one after the other; `finish` makes it whole."""

    def __init__(self, file: BinaryIO, key: str, salt: bytes) -> None:
        self._file = file
        self._head = _MAGIC + bytes([bool(key)]) + salt
        self._seal = _cipher(key, salt)
        self._number = 0
        self._sums = _Sums()
        file.write(self._head)

    def part(self, name: str) -> Callable[[bytes], None]:
        """Begin a part; what is returned takes its content."""
        self._sums.begin(name)
        self._chunk(b"P" + name.encode())
        return self._write

    def _write(self, content: bytes) -> None:
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            self._sums.add(block)
            self._chunk(b"D" + block)

    def finish(
        self, *, version: str, created_at: str, kind: str, revision: str, position: str = ""
    ) -> Manifest:
        parts = self._sums.parts()
        manifest = Manifest(version, created_at, kind, revision, parts, position)
        self._chunk(b"M" + msgspec.json.encode(manifest), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        return manifest

    def _chunk(self, content: bytes, *, last: bool = False) -> None:
        sealed = self._seal.encrypt(_nonce(self._number, last=last), content, self._head)
        self._number += 1
        self._file.write(len(sealed).to_bytes(4, "big") + sealed)


class Reader:
    """Reads a file that `verify` has seen whole; both raise `Damaged`."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key

    def verify(self) -> Manifest:
        """The manifest, after every byte of every part was compared with it."""
        sums = _Sums()
        for kind, content in self._chunks():
            try:
                if kind == b"P":
                    sums.begin(content.decode())
                elif kind == b"D":
                    sums.add(content)
                else:
                    manifest = msgspec.json.decode(content, type=Manifest)
            except (ValueError, KeyError) as error:
                raise Damaged(f"{self._path}: is not a backup that this version reads.") from error
        if manifest.parts != sums.parts() or "database" not in manifest.parts:
            raise Damaged(f"{self._path}: its parts are not what its manifest says.")
        return manifest

    def blocks(self) -> Iterator[tuple[str, bytes]]:
        """Each part's name with its blocks in order; a part without content has one empty block."""
        name = ""
        for kind, content in self._chunks():
            if kind == b"P":
                name = content.decode()
                yield name, b""
            elif kind == b"D":
                yield name, content

    def _chunks(self) -> Iterator[tuple[bytes, bytes]]:
        with self._path.open("rb") as file:
            head = file.read(len(_MAGIC) + 1 + SALT)
            if len(head) < len(_MAGIC) + 1 + SALT or not head.startswith(_MAGIC):
                raise Damaged(f"{self._path}: is no backup of a shop.")
            sealed = bool(head[len(_MAGIC)])
            if sealed is not bool(self._key):
                raise Damaged(
                    f"{self._path}: is encrypted; set SHOP_BACKUP_KEY to the key it was made with."
                    if sealed
                    else f"{self._path}: was made without a key; unset SHOP_BACKUP_KEY for it."
                )
            yield from self._opened(file, head)

    def _opened(self, file: BinaryIO, head: bytes) -> Iterator[tuple[bytes, bytes]]:
        cipher = _cipher(self._key, head[-SALT:])
        size = os.fstat(file.fileno()).st_size
        number, last = 0, False
        while not last:
            length = int.from_bytes(file.read(4), "big")
            last = file.tell() + length >= size
            if length > (_MOST_LAST if last else _MOST):
                raise self._damaged(number)
            sealed = file.read(length)
            try:
                content = cipher.decrypt(_nonce(number, last=last), sealed, head)
            except (InvalidTag, ValueError):
                raise self._damaged(number) from None
            number += 1
            if (content[:1] == b"M") is not last:
                raise self._damaged(number)
            yield content[:1], content[1:]

    def _damaged(self, number: int) -> Damaged:
        why = "is damaged or cut off" if number else "is damaged, or SHOP_BACKUP_KEY is another key"
        return Damaged(f"{self._path}: {why}; take another backup. Nothing was changed.")
