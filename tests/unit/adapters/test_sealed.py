"""A backup's file shows every change, and every byte that is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shop.adapters.archive.sealed import SALT, Damaged, Reader, Writer

KEY = "a key with at least 32 characters"


def written(path: Path, key: str = KEY) -> Path:
    """A database of 2.5 blocks and a picture."""
    with path.open("wb") as file:
        writer = Writer(file, key, b"s" * SALT)
        database = writer.part("database")
        for piece in (b"rows" * (1 << 19), b"more rows" * 1000):
            database(piece)
        writer.part("media/ab.png")(b"picture")
        writer.part("media/empty.png")
        writer.finish(version="1", created_at="now", kind="sqlite", revision="0001")
    return path


@pytest.mark.parametrize("key", [KEY, ""])
def test_what_was_written_comes_back(tmp_path: Path, key: str) -> None:
    reader = Reader(written(tmp_path / "a", key), key)
    manifest = reader.verify()
    assert (manifest.kind, manifest.revision) == ("sqlite", "0001")
    assert list(manifest.parts) == ["database", "media/ab.png", "media/empty.png"]
    found: dict[str, bytes] = {}
    for name, block in reader.blocks():
        found[name] = found.get(name, b"") + block
    assert found["database"] == b"rows" * (1 << 19) + b"more rows" * 1000
    assert found["media/ab.png"] == b"picture"
    assert found["media/empty.png"] == b""


def test_what_is_encrypted_shows_nothing(tmp_path: Path) -> None:
    body = written(tmp_path / "a").read_bytes()
    assert b"rows" not in body
    assert b"ab.png" not in body


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: body[:60],
        lambda body: body[:10],
        lambda _: b"",
        lambda body: body + b"x",
        lambda body: body + body,
    ],
    ids=["a byte", "half", "all but the head", "the head", "everything", "one more", "twice"],
)
@pytest.mark.parametrize("key", [KEY, ""])
def test_a_file_cut_off_or_grown_is_refused(
    tmp_path: Path, key: str, change: Callable[[bytes], bytes]
) -> None:
    path = written(tmp_path / "a", key)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Damaged):
        Reader(path, key).verify()


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_file_cut_off_between_two_chunks_is_refused(tmp_path: Path, key: str) -> None:
    path = written(tmp_path / "a", key)
    body = path.read_bytes()
    at = cuts = body.index(b"s" * SALT) + SALT
    while at < len(body):
        at += 4 + int.from_bytes(body[at : at + 4], "big")
        path.write_bytes(body[:cuts])
        with pytest.raises(Damaged):
            Reader(path, key).verify()
        cuts = at


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_flipped_bit_anywhere_is_refused(tmp_path: Path, key: str) -> None:
    path = written(tmp_path / "a", key)
    body = path.read_bytes()
    for at in [*range(120), *range(120, len(body), len(body) // 40), len(body) - 1]:
        flipped = bytearray(body)
        flipped[at] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(Damaged):
            Reader(path, key).verify()


def test_chunks_in_another_order_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    body = path.read_bytes()
    at = body.index(b"s" * SALT) + SALT
    chunks = []
    start = at
    while at < len(body):
        at += 4 + int.from_bytes(body[at : at + 4], "big")
        chunks.append(body[start:at])
        start = at
    chunks[1], chunks[2] = chunks[2], chunks[1]
    head = body[: body.index(b"s" * SALT) + SALT]
    path.write_bytes(head + b"".join(chunks))
    with pytest.raises(Damaged):
        Reader(path, KEY).verify()


@pytest.mark.parametrize(
    ("made", "opened", "says"),
    [
        (KEY, KEY.upper(), "SHOP_BACKUP_KEY is another key"),
        (KEY, "", "set SHOP_BACKUP_KEY"),
        ("", KEY, "unset SHOP_BACKUP_KEY"),
    ],
)
def test_the_wrong_key_is_named(tmp_path: Path, made: str, opened: str, says: str) -> None:
    with pytest.raises(Damaged, match=says):
        Reader(written(tmp_path / "a", made), opened).verify()


@pytest.mark.parametrize("name", ["media/../x.png", "media/", "other", "database"])
def test_a_part_has_a_name_that_leads_nowhere_else_and_comes_once(
    tmp_path: Path, name: str
) -> None:
    with (tmp_path / "a").open("wb") as file:
        writer = Writer(file, KEY, b"s" * SALT)
        writer.part("database")
        with pytest.raises(ValueError, match="cannot be the name"):
            writer.part(name)
