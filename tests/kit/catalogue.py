"""The catalogue by itself: its real wiring over a storage, and an app with its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from dishka import STRICT_VALIDATION, AsyncContainer, make_async_container
from litestar import Litestar
from msgspec.structs import replace

from shop.adapters.system.provider import System
from shop.core.catalog.importing import ImportCounts, Importing, ImportOptions
from shop.core.catalog.model import Product, ProductStatus, Variant
from shop.core.catalog.source import SourceFault, SourceProduct, SourceVariant
from shop.core.kernel.access import NOBODY, Caller, Role
from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import ProductId, UserId, VariantId
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.http.api.admin_catalog import AdminCatalogController
from shop.entrypoints.http.api.catalog import CatalogController, show_medium
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.fastlane import FastLane
from shop.entrypoints.http.problems import PROBLEMS
from shop.ports.feeds import Feeds
from shop.ports.system import Schema
from shop.wiring import Conditions, catalog_providers, storage_providers
from tests.kit.clock import NOON
from tests.kit.containers import FakeSystem, settings_for
from tests.kit.framework import lent

STAFF = Caller(user_id=UserId(UUID(int=1)), roles=frozenset({Role.STAFF}))
CUSTOMER = Caller(user_id=UserId(UUID(int=2)), roles=frozenset({Role.CUSTOMER}))
OPTIONS = ImportOptions(source="test", currency="INR", tax_basis_points=1800)
#: A red dot.
PNG = (
    bytes.fromhex("89504e470d0a1a0a0000000d4948445200000003000000020802000000")
    + b"the rest is never looked at"
)


class NamedAuthenticator(Authenticator):
    """The word after Bearer is who it is."""

    async def caller(self, authorization: str | None) -> Caller:
        known = {None: NOBODY, "Bearer staff": STAFF, "Bearer customer": CUSTOMER}
        if authorization not in known:
            raise Unauthenticated("This token does not hold.")
        return known[authorization]


AS_STAFF = {"Authorization": "Bearer staff"}
AS_CUSTOMER = {"Authorization": "Bearer customer"}


@asynccontextmanager
async def catalogue(storage: str, folder: Path) -> AsyncIterator[AsyncContainer]:
    settings = settings_for(storage, folder)
    container = make_async_container(
        System(str(settings.site.url)),
        *storage_providers(settings),
        *catalog_providers(settings),
        Conditions(settings),
        FakeSystem(),
        validation_settings=STRICT_VALIDATION,
        skip_validation=True,  # other domains' parts are not here
    )
    try:
        await (await container.get(Schema)).migrate()
        yield container
    finally:
        await container.close()


@asynccontextmanager
async def lane_over(container: AsyncContainer) -> AsyncIterator[FastLane]:
    with lent(_app, {"container": container, "authenticator": NamedAuthenticator()}) as app:
        behind: Any = app
        yield FastLane(behind, await container.get(CatalogWatch))


def _app() -> Litestar:
    return Litestar(
        [CatalogController, AdminCatalogController, show_medium],
        exception_handlers=PROBLEMS,
        request_max_body_size=None,
    )


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")


def a_product(title: str = "Clay kettle", **changes: Any) -> Product:
    """An active product with one variant; say only what the test is about."""
    variant = Variant(id=VariantId(uuid4()), key="default", price=49_900)
    product = Product(
        id=ProductId(uuid4()),
        slug=f"thing-{uuid4().hex}",
        title=title,
        status=ProductStatus.ACTIVE,
        variants=(variant,),
        currency="INR",
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(product, **changes)


def a_source(
    key: str = "clay-kettle", *, price: int | None = 49_900, **changes: Any
) -> SourceProduct:
    """A product as a file gives it, with one variant."""
    stock = changes.pop("stock", 5)
    variant = SourceVariant(key="default", price=price, stock=stock)
    title = key.replace("-", " ").capitalize()
    source = SourceProduct(key=key, record=1, title=title, variants=(variant,))
    return replace(source, **changes)


async def imported(
    container: AsyncContainer,
    *items: SourceProduct | SourceFault,
    options: ImportOptions = OPTIONS,
) -> ImportCounts:
    async with container() as scope:
        return await (await scope.get(Importing)).run(iter(items), options)


async def imported_file(
    container: AsyncContainer, body: bytes, options: ImportOptions = OPTIONS
) -> ImportCounts:
    feed = (await container.get(Feeds))["shopify"]
    async with container() as scope:
        items = feed.read(BytesIO(body), options.currency)
        return await (await scope.get(Importing)).run(items, options)
