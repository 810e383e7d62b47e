"""The HTTP application: all routes, their documentation, and what stands before them."""

from typing import Any

from dishka import AsyncContainer
from litestar import HttpMethod, Litestar, get, route
from litestar.datastructures import State
from litestar.events import BaseEventEmitterBackend
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler
from msgspec import json

from shop import __version__
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.addresses import AddressController
from shop.entrypoints.http.api.admin_catalog import AdminCatalogController
from shop.entrypoints.http.api.admin_emails import EmailAdminController
from shop.entrypoints.http.api.admin_log import AdminLogController
from shop.entrypoints.http.api.admin_orders import AdminOrderController, AdminRefundController
from shop.entrypoints.http.api.admin_users import UserAdminController
from shop.entrypoints.http.api.cart import CartController
from shop.entrypoints.http.api.catalog import CatalogController, show_medium
from shop.entrypoints.http.api.checkout import CheckoutController
from shop.entrypoints.http.api.factors import FactorController, SecondStepController
from shop.entrypoints.http.api.identity import IdentityController
from shop.entrypoints.http.api.orders import OrderController
from shop.entrypoints.http.api.payments import PaymentController
from shop.entrypoints.http.api.privacy import PrivacyController
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.discovery import DiscoveryController
from shop.entrypoints.http.document import Description, DocumentConfig
from shop.entrypoints.http.oauth import OAuthController
from shop.entrypoints.http.reference import Reference
from shop.entrypoints.http.served import HttpRequest
from shop.entrypoints.http.web import WEB_ROUTES
from shop.entrypoints.http.web.refusals import REFUSALS
from shop.entrypoints.http.web.rendering import look_of
from shop.entrypoints.http.web.sandbox import SandboxController
from shop.entrypoints.http.webhooks.razorpay import RazorpayController

_ABOUT = """The public API of the shop.

Money is an integer in the minor unit (paise) with an ISO 4217 code; ids are UUIDv7; times are
RFC 3339 in UTC; refusals are RFC 9457 problem documents with a stable `code`.
"""
_COMPONENTS = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="The `access_token` of `POST /api/v1/login`.",
        )
    }
)


@route("/healthz", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def healthz() -> Answer:
    return Answer(b'{"status":"ok"}')


@get("/openapi.json", include_in_schema=False)
async def openapi_json(request: HttpRequest) -> Answer:
    """The document at a path that does not depend on the pages that show it."""
    return Answer(json.encode(request.app.openapi_schema.to_schema()))


API_ROUTES: list[ControllerRouterHandler] = [
    AddressController,
    AdminCatalogController,
    AdminLogController,
    AdminOrderController,
    AdminRefundController,
    CartController,
    CatalogController,
    CheckoutController,
    DiscoveryController,
    EmailAdminController,
    FactorController,
    IdentityController,
    OAuthController,
    OrderController,
    PaymentController,
    PrivacyController,
    RazorpayController,
    SecondStepController,
    UserAdminController,
    healthz,
    openapi_json,
    show_medium,
]


class _NoEvents(BaseEventEmitterBackend):
    """Ours go through the outbox; the framework's emitter would load a runtime for nothing."""

    def emit(self, event_id: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to end."""


def make_app(
    container: AsyncContainer,
    authenticator: Authenticator,
    *,
    sandbox: bool = True,
    theme: str = "",
) -> Litestar:
    """The framework's part. `make_site` puts the fast lane and the edge before it."""
    description = Description()
    look = look_of(theme)
    return Litestar(
        [*API_ROUTES, *WEB_ROUTES, *([SandboxController] if sandbox else [])],
        event_emitter_backend=_NoEvents,
        exception_handlers=REFUSALS,
        plugins=[description],
        state=State({"container": container, "authenticator": authenticator, "look": look}),
        openapi_config=DocumentConfig(
            title="Shop",
            version=__version__,
            description=_ABOUT,
            use_handler_docstrings=True,
            path="/docs",
            render_plugins=[Reference(look)],
            components=_COMPONENTS,
            description_of=description,
        ),
        request_max_body_size=None,  # the edge sees to it
        logging_config=None,
    )
