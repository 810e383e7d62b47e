"""The whole shop over ASGI, once per storage."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.site import Shop, a_shop


@pytest.fixture
async def site(storage: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path) as shop:
        yield shop
