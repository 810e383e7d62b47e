"""A shop with a person in it, and a program that asks to be let in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shop.core.users.client_keeping import NewClient
from tests.kit.oauth import ASHA, Person, a_client
from tests.kit.site import Shop, a_shop


@pytest.fixture
def storage() -> str:
    """What the storages do is proved by the contracts, and by real clients on a real shop."""
    return "memory"


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path) as shop:
        await shop.somebody(ASHA)
        yield shop


@pytest.fixture
async def app(shop: Shop) -> NewClient:
    return await a_client(shop.container)


@pytest.fixture
async def asha(shop: Shop) -> Person:
    return Person(shop.client, ASHA)
