"""Swagger UI from the installed package: nothing comes from anywhere else."""

import asyncio

from litestar.params import FromPath

from shop.core.kernel.errors import NotFound
from shop.entrypoints.http.served import HttpRequest
from shop.entrypoints.http.swagger import SWAGGER_FILES, swagger_folder
from shop.entrypoints.http.web.front import front_of
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import page

#: It writes styles into elements, and draws icons from data.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


@page("/docs/swagger")
async def swagger(request: HttpRequest) -> Reply:
    if swagger_folder() is None:
        raise NotFound("Swagger UI is not installed here; /docs needs nothing.")
    return Reply(
        200,
        (await front_of(request)).look.render("swagger.html"),
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", _POLICY.encode()),
        (b"cache-control", b"no-cache"),
    )


@page("/docs/swagger/{name:str}")
async def swagger_file(name: FromPath[str]) -> Reply:
    folder = swagger_folder()
    if folder is None or name not in SWAGGER_FILES:
        raise NotFound("There is no such file.")
    body = await asyncio.to_thread((folder / name).read_bytes)
    kind = SWAGGER_FILES[name].encode()
    return Reply(200, body, (b"content-type", kind), (b"cache-control", b"public, max-age=86400"))


ROUTES = (swagger, swagger_file)
