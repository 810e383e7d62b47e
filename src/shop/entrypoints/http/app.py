"""The HTTP application: all routes, their documentation, and what stands before them."""

from dishka import AsyncContainer
from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import ScalarRenderPlugin, SwaggerRenderPlugin
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ControllerRouterHandler

from shop import __version__
from shop.entrypoints.http.api.cart import CartController
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.problems import PROBLEM_JSON, PROBLEMS, Problem

_REFUSALS = {
    400: "The request is malformed; `errors` names the fields.",
    401: "Nobody is signed in, or the token does not hold.",
    403: "The permission is missing.",
    404: "There is no such thing, or it is not yours.",
    409: "The present state forbids it.",
    413: "The body is too large.",
    415: "The content type is not understood.",
    422: "The business forbids it.",
    429: "Too often; see `Retry-After`.",
    503: "Not now; see `Retry-After`.",
}


class _Refusals(ReceiveRoutePlugin):
    """Declares on every documented route what any route may be refused with."""

    def receive_route(self, route: BaseRoute) -> None:
        if not isinstance(route, HTTPRoute):
            return
        for handler in route.route_handlers:
            own = dict(handler.responses or {})
            for status, text in _REFUSALS.items():
                spec = ResponseSpec(
                    Problem,
                    description=text,
                    generate_examples=False,
                    media_type=PROBLEM_JSON,
                )
                own.setdefault(status, spec)
            handler.responses = own


ROUTES: list[ControllerRouterHandler] = [CartController]


def make_app(container: AsyncContainer, authenticator: Authenticator) -> Litestar:
    """The framework's part. `make_site` puts the fast lane and the edge before it."""
    return Litestar(
        ROUTES,
        exception_handlers=PROBLEMS,
        plugins=[_Refusals()],
        state=State({"container": container, "authenticator": authenticator}),
        openapi_config=OpenAPIConfig(
            title="Shop",
            version=__version__,
            path="/docs",
            render_plugins=[ScalarRenderPlugin(), SwaggerRenderPlugin()],
        ),
        request_max_body_size=None,  # the edge sees to it
    )
