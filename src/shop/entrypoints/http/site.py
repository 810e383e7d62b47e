"""The whole HTTP side: the edge, the fast lane, and the application behind them."""

import itertools
from collections.abc import Callable

from dishka import AsyncContainer
from litestar import Litestar
from msgspec import Struct

from shop.core.checkout.terms import Terms
from shop.core.users.liveness import Liveness
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.http.app import make_app
from shop.entrypoints.http.auth import JwtAuthenticator
from shop.entrypoints.http.direct import Direct
from shop.entrypoints.http.edge import Bodies, Edge, LameDuck, request_durations
from shop.entrypoints.http.fastlane import FastLane
from shop.entrypoints.http.forwarded import Forwarded, Networks
from shop.entrypoints.http.limits import make_limiter
from shop.entrypoints.http.web.refusals import make_page
from shop.entrypoints.logs import AccessLog
from shop.entrypoints.metrics import Histogram
from shop.ports.cache import Cache, RateLimiter
from shop.ports.system import Ids
from shop.ports.users import Tokens

_UPLOAD = 64 << 20
_UPLOADS = {"/api/v1/admin/imports": _UPLOAD, "/api/v1/admin/products/": 9 << 20}
#: A page says what is wrong with a picture that is too large, so it may be larger here.
_UPLOADS |= {"/admin/products/": 16 << 20}


class SiteRules(Struct, frozen=True, kw_only=True):
    """What the settings say about serving. Limits are calls a minute; the lane's size is bytes.

    `sandbox`: whether the test gateway's own page is shown. `proxies`: who is believed when they
    say for whom they ask. `theme`: the folder that pages look like.
    """

    lane_bytes: int = 16 << 20
    limits: bool = True
    cart_per_minute: int = 600
    identity_per_minute: int = 300
    shares_cache: bool = False
    sandbox: bool = True
    proxies: Networks = ()
    theme: str = ""


class Site(Struct, frozen=True, kw_only=True):
    app: Litestar
    lane: FastLane
    edge: Edge
    durations: Histogram


def _numbering(process: str) -> Callable[[], bytes]:
    """Ids of requests: unique, and cheaper than a UUID for each of many thousands a second."""
    prefix, count = process.encode(), itertools.count(1)
    return lambda: b"%b-%x" % (prefix, next(count))


async def make_site(
    container: AsyncContainer, rules: SiteRules, access: AccessLog | None = None
) -> Site:
    ids = await container.get(Ids)
    authenticator = JwtAuthenticator(await container.get(Tokens), await container.get(Liveness))
    app = make_app(container, authenticator, sandbox=rules.sandbox, theme=rules.theme)
    common = await container.get(Cache) if rules.shares_cache else None
    lane = FastLane(Direct(app), await container.get(CatalogWatch), rules.lane_bytes, common)
    durations = request_durations()
    edge = Edge(
        lane,
        new_id=_numbering(ids.secret(8).hex()),
        ready=lane.ready,
        duck=await container.get(LameDuck),
        durations=durations,
        access=access,
        limiter=make_limiter(
            await container.get(RateLimiter),
            enabled=rules.limits,
            cart=rules.cart_per_minute,
            identity=rules.identity_per_minute,
        ),
        forwarded=Forwarded(rules.proxies),
        page=make_page(app.state.look, (await container.get(Terms)).shop_name),
        bodies=Bodies(uploads=_UPLOADS),
    )
    return Site(app=app, lane=lane, edge=edge, durations=durations)
