"""Styles, scripts and what robots ask for."""

from litestar.params import FromPath

from shop.core.kernel.errors import NotFound
from shop.entrypoints.http.served import HttpRequest
from shop.entrypoints.http.web.front import front_of
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import page

_FOR_GOOD = b"public, max-age=31536000, immutable"
_HIDDEN = ("/account", "/admin", "/api", "/cart", "/checkout", "/orders", "/sandbox", "/search")
_NOT_MODIFIED = 304


@page("/static/{name:str}")
async def static(request: HttpRequest, name: FromPath[str]) -> Reply:
    """An address with the right version may be kept for ever, any other must be asked again."""
    asset = (await front_of(request)).look.assets.get(name)
    if asset is None:
        raise NotFound("There is no such file.")
    tag = f'"{asset.version}"'
    exact = request.query_params.get("v") == asset.version
    headers = [
        (b"etag", tag.encode()),
        (b"cache-control", _FOR_GOOD if exact else b"public, no-cache"),
    ]
    if tag in request.headers.get("if-none-match", ""):
        return Reply(_NOT_MODIFIED, b"", *headers)
    return Reply(200, asset.body, (b"content-type", asset.content_type.encode()), *headers)


@page("/favicon.ico")
async def favicon(request: HttpRequest) -> Reply:
    icon = (await front_of(request)).look.assets["favicon.svg"]
    return Reply(301, b"", (b"location", icon.url.encode()))


@page("/robots.txt")
async def robots(request: HttpRequest) -> Reply:
    """Nothing of a shop under development belongs into a search engine."""
    front = await front_of(request)
    paths = ("/",) if front.development else _HIDDEN
    text = "User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in paths)
    return Reply(200, text.encode(), (b"content-type", b"text/plain; charset=utf-8"))


ROUTES = (static, favicon, robots)
