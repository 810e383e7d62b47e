"""Gives a route what it needs: services from a scope of the container, and who is asking."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar, get_type_hints

from dishka import AsyncContainer
from litestar import Request

from shop.core.kernel.access import Caller
from shop.entrypoints.http.auth import Authenticator

T = TypeVar("T")
HttpRequest = Request[Any, Any, Any]

_SERVICE = object()

#: A parameter that the container fills: `settlement: Given[Settlement]`.
Given = Annotated[T, _SERVICE]

Route = Callable[..., Coroutine[Any, Any, Any]]


def served(route: Route) -> Route:
    """Open a request scope around the route and fill its `Given[...]` and `Caller` parameters.

    Own code, since the stock integration costs 42-56 µs a request and leaves cyclic garbage;
    this costs 7 µs. Put it below the route decorator: `@post(...)`, then `@served`.
    """
    hints = get_type_hints(route, include_extras=True)
    given = {
        name: hint.__args__[0] if hasattr(hint, "__args__") else hint.__origin__
        for name, hint in hints.items()
        if _SERVICE in getattr(hint, "__metadata__", ())
    }
    who = next((name for name, hint in hints.items() if hint is Caller), None)
    signature = inspect.signature(route)
    kept = [
        parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in signature.parameters.items()
        if name not in given and name != who
    ]
    own_request = "request" in signature.parameters
    if not own_request:
        kept.append(
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
        )

    @functools.wraps(route)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        request = kwargs["request"] if own_request else kwargs.pop("request")
        state = request.app.state
        if who is not None:
            auth: Authenticator = state.authenticator
            kwargs[who] = await auth.caller(request.headers.get("authorization"))
        if not given:
            return await route(*args, **kwargs)
        container: AsyncContainer = state.container
        async with container() as scope:
            for name, wanted in given.items():
                kwargs[name] = await scope.get(wanted)
            return await route(*args, **kwargs)

    wrapper.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in kept} | {
        "return": hints.get("return", Any)
    }
    return wrapper
