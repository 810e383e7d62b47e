"""Ids out of their bytes."""

from uuid import UUID

import pytest

from shop.core.kernel.ids import id_of


@pytest.mark.parametrize("raw", [bytes(16), bytes(range(16)), b"\xff" * 16])
def test_is_what_the_standard_library_makes(raw: bytes) -> None:
    made = id_of(raw)
    assert made == UUID(bytes=raw)
    assert hash(made) == hash(UUID(bytes=raw))
    assert made.bytes == raw


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_another_number_of_bytes_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        id_of(bytes(length))
