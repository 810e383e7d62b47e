"""Routes for browsers: each is given its visit, and a refusal becomes a page."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from shop.core.kernel.access import SecondFactorEnrolmentRequired
from shop.core.kernel.errors import ShopError, Unauthenticated
from shop.core.users.factors import SecondFactorRequired
from shop.entrypoints.http.served import HttpRequest, served
from shop.entrypoints.http.web.forms import local_path
from shop.entrypoints.http.web.front import front_of
from shop.entrypoints.http.web.loopback import home_of
from shop.entrypoints.http.web.refusals import refusal
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.visit import Visit, here_of, quoted


def _before(request: HttpRequest) -> str:
    """The page that held the form."""
    try:
        return local_path(urlsplit(request.headers.get("referer", "")).path)
    except ValueError:
        return "/"


WebRoute = Callable[..., Awaitable[Any]]


def visited(route: WebRoute) -> WebRoute:
    """Give a route its `visit: Visit`, besides what `served` gives; refusals become pages."""
    return _visited(route, own_forms=True)


def visited_by_any_form(route: WebRoute) -> WebRoute:
    """The same for a route that other sites send forms to: it asks `Visit.check` by itself."""
    return _visited(route, own_forms=False)


def _visited(route: WebRoute, *, own_forms: bool) -> WebRoute:
    inner = served(route)  # type: ignore[arg-type]
    signature = inspect.signature(inner)
    kept = [p for p in signature.parameters.values() if p.name != "visit"]

    @functools.wraps(route)
    async def wrapper(**kwargs: Any) -> Reply:
        request: HttpRequest = kwargs["request"]
        front = await front_of(request)
        if front.development and (home := home_of(front.site_url, request)) is not None:
            return see(home + here_of(request))
        visit = Visit(front, request)
        try:
            await visit.identify()
            if request.method == "POST":
                await visit.receive()
                if own_forms:
                    visit.check()
            reply = await inner(visit=visit, **kwargs)
        except ShopError as error:
            reply = await refused_page(visit, error)
        return visit.finish(reply)

    if not any(p.name == "request" for p in kept):
        kept.append(
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=HttpRequest)
        )
    wrapper.__signature__ = signature.replace(parameters=kept, return_annotation=Reply)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in kept} | {"return": Reply}
    return wrapper


async def refused_page(visit: Visit, error: ShopError) -> Reply:
    """What a person is told; somebody who must sign in first is led there and back."""
    if isinstance(error, SecondFactorRequired):
        return visit.second_step(error, "/account")
    if isinstance(error, SecondFactorEnrolmentRequired):
        return visit.see("/account/second-factor", "factor-first")
    if isinstance(error, Unauthenticated) and visit.caller.user_id is None:
        back = here_of(visit.request) if visit.request.method == "GET" else _before(visit.request)
        return see(f"/sign-in?next={quoted(back)}")
    told = refusal(error)
    reply = await visit.page("refusal.html", http_status=told.status, told=told)
    if told.retry_after:
        reply.headers.append((b"retry-after", str(told.retry_after).encode()))
    return reply
