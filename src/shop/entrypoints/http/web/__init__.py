"""The storefront and the back office, rendered on the server."""

from litestar.types import ControllerRouterHandler

from shop.entrypoints.http.web.pages import (
    account,
    authorize,
    backoffice,
    cart,
    catalog,
    checkout,
    docs,
    factors,
    files,
    identity,
    orders,
    privacy,
    problems,
    second_step,
    social,
)

_PAGES = (
    *(
        files,
        docs,
        problems,
        catalog,
        cart,
        checkout,
        orders,
        identity,
        second_step,
        factors,
        social,
        privacy,
        authorize,
        account,
    ),
    backoffice,
)

WEB_ROUTES: list[ControllerRouterHandler] = [
    handler for module in _PAGES for handler in module.ROUTES
]
