"""What every place for pictures does alike: a folder, memory, and a bucket."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shop.adapters.media.bucket import Bucket
from shop.adapters.media.checkup import BucketCheckup
from shop.adapters.media.objects import (
    MediaUnavailable,
    ObjectMedia,
    bucket_store,
    folder_store,
    memory_store,
)
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.errors import Invalid, Unavailable
from shop.ports.checkup import Unwell
from shop.ports.media import Media
from tests.kit.certificates import Certificate
from tests.kit.process import free_port
from tests.kit.servers import S3, S3_KEY_ID, S3_KEY_SECRET

PNG = b"\x89PNG not really"


def bucket(**changes: Any) -> Bucket:
    given = {
        "endpoint": S3.wanted(),
        "region": "us-east-1",
        "key_id": S3_KEY_ID,
        "key_secret": S3_KEY_SECRET,
    }
    return Bucket(**given | changes)


def a_place() -> str:
    """A prefix of its own in the bucket."""
    return f"s3://pictures/{Uuid7().new().hex}"


@pytest.fixture(params=["folder", "memory", "s3"])
def media(request: Any, tmp_path: Path) -> Media:
    if request.param == "folder":
        return ObjectMedia(folder_store(tmp_path / "media"), folder=tmp_path / "media")
    if request.param == "memory":
        return ObjectMedia(memory_store())
    return ObjectMedia(bucket_store(a_place(), bucket()))


async def test_a_picture_comes_back_as_it_was(media: Media) -> None:
    await media.put("ab12.png", PNG, "image/png")
    await media.put("demo-kettle.svg", b"<svg/>", "image/svg+xml")
    found = await media.get("ab12.png")
    assert found is not None
    assert (found.body, found.content_type) == (PNG, "image/png")
    drawn = await media.get("demo-kettle.svg")
    assert drawn is not None
    assert drawn.content_type == "image/svg+xml"


async def test_what_is_not_there_is_none(media: Media) -> None:
    assert await media.get("ab13.png") is None


async def test_every_key_is_listed_and_nothing_else(media: Media) -> None:
    assert [key async for key in media.every()] == []
    for key in ("ab12.png", "cd34.png"):
        await media.put(key, PNG, "image/png")
    assert sorted([key async for key in media.every()]) == ["ab12.png", "cd34.png"]


async def test_what_others_put_beside_the_pictures_is_not_listed(tmp_path: Path) -> None:
    media = ObjectMedia(folder_store(tmp_path), folder=tmp_path)
    for name in ("ab/notes.txt", "elsewhere/ab.png", "ab.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [key async for key in media.every()] == []


async def test_a_key_keeps_what_it_had_first(media: Media) -> None:
    await media.put("ab12.png", PNG, "image/png")
    await media.put("ab12.png", b"another", "image/png")
    found = await media.get("ab12.png")
    assert found is not None
    assert found.body == PNG


async def test_of_some_who_put_one_key_at_once_one_is_kept_whole(media: Media) -> None:
    bodies = [bytes([n]) * 50_000 for n in range(3)]
    await asyncio.gather(*(media.put("race.png", body, "image/png") for body in bodies))
    found = await media.get("race.png")
    assert found is not None
    assert found.body in bodies


@pytest.mark.parametrize(
    "key",
    [
        "../secret.png",
        "..",
        "/etc/passwd.png",
        "ab/cd.png",
        "ab\\cd.png",
        "ab%2fcd.png",
        "AB.png",
        ".hidden.png",
        "a\0b.png",
        "",
        "ab.png\n",
        "a" * 125 + ".png",
    ],
)
async def test_no_key_leads_elsewhere(media: Media, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        await media.put(key, PNG, "image/png")
    assert await media.get(key) is None


@pytest.mark.parametrize(
    ("key", "content_type"),
    [("ab.png", "image/svg+xml"), ("ab.html", "text/html"), ("ab", "image/png")],
)
async def test_only_pictures_are_kept_under_their_own_ending(
    media: Media, key: str, content_type: str
) -> None:
    with pytest.raises(ValueError, match="is no key"):
        await media.put(key, PNG, content_type)


async def test_a_folder_that_is_gone_means_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    media = ObjectMedia(folder_store(folder), folder=folder)
    folder.rmdir()
    folder.write_text("a file where the folder was")
    with pytest.raises(Unavailable):
        await media.put("ab12.png", PNG, "image/png")


async def test_a_bucket_that_cannot_be_reached_means_unavailable() -> None:
    nowhere = bucket(endpoint=f"http://127.0.0.1:{free_port()}")
    media = ObjectMedia(bucket_store(a_place(), nowhere))
    with pytest.raises(MediaUnavailable):
        await media.get("ab12.png")


async def test_objects_say_what_they_are_and_may_be_kept_for_ever() -> None:
    store = bucket_store(a_place(), bucket())
    await ObjectMedia(store).put("ab12.png", PNG, "image/png")
    found = await store.get_async("ab/ab12.png")
    assert found.attributes["Content-Type"] == "image/png"
    assert found.attributes["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_over_tls_the_server_must_have_a_certificate_that_we_trust(tmp_path: Path) -> None:
    S3.wanted()
    if S3.process is None:
        pytest.skip("TEST_S3_URL names a server whose certificate is not ours.")
    folder, place = S3.process.folder, a_place()
    port = (folder / "secure").read_text()
    ours = bucket(endpoint=f"https://127.0.0.1:{port}", ca=str(folder / "ca.pem"))
    assert await BucketCheckup(bucket_store(place, ours), place).examine() == place
    media = ObjectMedia(bucket_store(place, ours))
    await media.put("ab12.png", PNG, "image/png")
    found = await media.get("ab12.png")
    assert found is not None
    assert found.body == PNG
    for changes in (
        {"ca": ""},
        {"ca": str(Certificate(tmp_path, "127.0.0.1").ca)},
        {"endpoint": f"https://localhost:{port}"},
    ):
        wrong = bucket_store(place, replace(ours, **changes))
        with pytest.raises(MediaUnavailable):
            await ObjectMedia(wrong).get("ab12.png")
        with pytest.raises(Unwell, match=r"the certificate of .* is refused") as caught:
            await BucketCheckup(wrong, place).examine()
        assert "SHOP_MEDIA_CA" in caught.value.cure


def test_a_file_without_certificates_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"SHOP_MEDIA_CA .*none.pem cannot be used"):
        bucket_store(a_place(), Bucket(ca=str(tmp_path / "none.pem")))


async def test_keys_come_from_the_environment_when_none_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3_KEY_SECRET)
    media = ObjectMedia(bucket_store(a_place(), bucket(key_id="", key_secret="")))
    await media.put("ab12.png", PNG, "image/png")
    assert await media.get("ab12.png") is not None


async def test_the_doctor_tells_a_bucket_that_serves_from_one_that_does_not() -> None:
    place = a_place()
    assert await BucketCheckup(bucket_store(place, bucket()), place).examine() == place
    for wrong, said in (
        (bucket(key_secret="wrong"), "does not let us write"),
        (bucket(key_id="reader"), "does not let us write"),
        (bucket(endpoint=f"http://127.0.0.1:{free_port()}"), "cannot be used"),
    ):
        with pytest.raises(Unwell, match=said) as caught:
            await BucketCheckup(bucket_store(place, wrong), place).examine()
        assert "wrong" not in caught.value.cure
