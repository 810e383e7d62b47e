"""Fixtures for every test."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dishka import AsyncContainer
from hypothesis import HealthCheck, settings

from shop.ports.system import Clock
from tests.kit.clock import ManualClock
from tests.kit.containers import STORAGES, running, settings_for

pytest_plugins = ["tests.kit.servers", "tests.kit.databases", "tests.kit.kafka", "tests.kit.image"]


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end, and need not be looked through for garbage each time."""
    gc.collect()
    gc.freeze()


#: How long an example takes is the machine's affair. All else stays as it is here, or in CI.
settings.register_profile("shop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shop")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=STORAGES)
def storage(request: Any) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def container(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    """The real wiring over each storage: a contract test runs once per storage."""
    async with running(settings_for(storage, tmp_path)) as container:
        yield container


@pytest.fixture
async def clock(container: AsyncContainer) -> ManualClock:
    clock = await container.get(Clock)
    assert isinstance(clock, ManualClock)
    return clock
