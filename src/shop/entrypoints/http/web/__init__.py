"""The storefront and the back office."""

from litestar.types import ControllerRouterHandler

WEB_ROUTES: list[ControllerRouterHandler] = []
