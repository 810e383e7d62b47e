"""The storefront and the back office, rendered on the server."""

from litestar.types import ControllerRouterHandler

from shop.entrypoints.http.web.pages import (
    account,
    admin,
    cart,
    catalog,
    checkout,
    files,
    identity,
    orders,
    social,
)

WEB_ROUTES: list[ControllerRouterHandler] = [
    handler
    for module in (files, catalog, cart, checkout, orders, identity, social, account, admin)
    for handler in module.ROUTES
]
