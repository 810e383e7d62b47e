"""One provider for all these tests; each begins with it well-behaved."""

from collections.abc import Iterator

import pytest

from tests.kit.clock import NOON
from tests.kit.oidc_provider import OidcProvider


@pytest.fixture(scope="session")
def process() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def provider(process: OidcProvider) -> OidcProvider:
    process.behave(now=NOON.timestamp())
    return process
