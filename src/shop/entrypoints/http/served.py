"""Gives a route what it needs: services from a scope of the container, and who is asking."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar, get_type_hints

from dishka import DEFAULT_COMPONENT, AsyncContainer, DependencyKey
from litestar import Request
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from shop.core.kernel.access import Caller
from shop.entrypoints.again import patient
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.json_body import JsonBody
from shop.entrypoints.http.raw import header

T = TypeVar("T")
HttpRequest = Request[Any, Any, Any]

_SERVICE = object()

#: A parameter that the container fills: `settlement: Given[Settlement]`.
Given = Annotated[T, _SERVICE]

Route = Callable[..., Coroutine[Any, Any, Any]]


class Shelf(dict[Any, Any]):
    """What lives as long as the application, looked up once; one for each application."""

    def __init__(self, container: AsyncContainer, seen: Callable[[Any], Any]) -> None:
        """`seen` wraps what is looked up, so that a trace shows it."""
        super().__init__()
        self.container = container
        self.seen = seen

    def keeps(self, kind: Any) -> bool:
        """Whether the container makes only one of them."""
        key = DependencyKey(kind, DEFAULT_COMPONENT)
        return self.container.registry.get_factory(key) is not None


def caller_of(request: HttpRequest) -> Coroutine[Any, Any, Caller]:
    """Who asks, as far as their token holds now. Raises `Unauthenticated`."""
    auth: Authenticator = request.app.state.authenticator
    return auth.caller(header(request.scope, b"authorization"))


def address_of(request: HttpRequest) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def served(route: Route) -> Route:
    """Fill the `Given[...]` and `Caller` parameters of a route.

    A request scope is opened only for a route that asks for something made for one request. Own
    code, since the stock integration costs 42-56 µs a request and leaves cyclic garbage. Put it
    below the route decorator: `@post(...)`, then `@served`.

    A `JSONBody` is read here too, once it is known who asks: strictly, and in one step. The
    framework would take `"2"` for a number, and die of a body that is nested too deeply.
    """
    hints = get_type_hints(route, include_extras=True)
    given = {
        name: hint.__args__[0] if hasattr(hint, "__args__") else hint.__origin__
        for name, hint in hints.items()
        if _SERVICE in getattr(hint, "__metadata__", ())
    }
    who = next((name for name, hint in hints.items() if hint is Caller), None)
    body = _body(hints.get("data"))
    taken = {*given, who, "data" if body else None}
    signature = inspect.signature(route)
    kept = [
        parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in signature.parameters.items()
        if name not in taken
    ]
    own_request = "request" in signature.parameters
    before_body: Callable[[HttpRequest], object] = getattr(route, "before_body", _nothing)
    if not own_request:
        kept.append(
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
        )

    @functools.wraps(route)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        request = kwargs["request"] if own_request else kwargs.pop("request")
        state = request.app.state
        if who is not None:
            kwargs[who] = await caller_of(request)
        before_body(request)
        if body is not None:
            kwargs["data"] = await body.read(request)
        shelf = _shelf_of(state)
        missing = []
        for name, wanted in given.items():
            if wanted in shelf:
                kwargs[name] = shelf[wanted]
            elif shelf.keeps(wanted):
                kwargs[name] = shelf[wanted] = shelf.seen(await shelf.container.get(wanted))
            else:
                missing.append(name)
        if not missing:
            return await route(*args, **kwargs)
        async with shelf.container() as scope:
            for name in missing:
                kwargs[name] = patient(shelf.seen(await scope.get(given[name])))
            return await route(*args, **kwargs)

    wrapper.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in kept} | {
        "return": hints.get("return", Any)
    }
    wrapper.json_body = body  # type: ignore[attr-defined]  # for the documentation
    return wrapper


def _as_it_is(service: Any) -> Any:
    return service


def _nothing(_request: HttpRequest) -> None:
    """What most routes want to see before the body."""


def _shelf_of(state: State) -> Shelf:
    shelf: Shelf | None = state.get("shelf")
    if shelf is None:
        shelf = state["shelf"] = Shelf(state.container, state.get("seen", _as_it_is))
    return shelf


def _body(hint: Any) -> JsonBody | None:
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, BodyKwarg) and mark.media_type is RequestEncodingType.JSON:
            return JsonBody(hint.__origin__)
    return None
