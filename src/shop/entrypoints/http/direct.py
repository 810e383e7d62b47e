"""Calls the busiest routes without the framework's way to them.

Routing, reading of arguments and the choice of a response class are a quarter of what the event
loop does for a checkout, and these routes need none of it: `served` gives them what they ask for,
and they answer in bytes. They stay routes of the framework, which documents them and answers what
is not quite theirs: other methods, other spellings of the path.
"""

from typing import Any, cast

from litestar import Litestar, Request

from shop.entrypoints.http.asgi import App, Receive, Scope, Send
from shop.entrypoints.http.turns import Turns
from shop.entrypoints.http.web.refusals import REFUSALS

#: Method and path, without parameters in it. Each takes the request alone and gives an `Answer`.
BUSY = (
    ("GET", "/api/v1/cart"),
    ("POST", "/api/v1/cart/items"),
    ("POST", "/api/v1/checkout"),
    ("POST", "/api/v1/login"),
    ("POST", "/api/v1/signup"),
)


class Direct:
    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._inside = cast(App, app)
        self._turns = Turns()
        found = app.route_handler_method_map
        self._calls: dict[tuple[str, str], Any] = {
            (method, path): found[path][method].fn  # type: ignore[index]
            for method, path in BUSY
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = None
        if scope["type"] == "http":
            call = self._calls.get((scope["method"], scope["path"]))
        if call is None:
            await self._turns.take()
            await self._inside(scope, receive, send)
            return
        scope["litestar_app"] = scope["app"] = self._app
        scope["path_template"] = scope["path"]
        asked: Any = scope, receive, send
        request: Request[Any, Any, Any] = Request(*asked)
        try:
            answer = await call(request=request)
        except Exception as error:  # noqa: BLE001 - the last of the refusals is for what is none
            kind = next(kind for kind in type(error).__mro__ if kind in REFUSALS)
            refusal: Any = REFUSALS[kind](request, error)
            answer = refusal.to_asgi_response(app=None, request=request)
        await answer(scope, receive, send)
