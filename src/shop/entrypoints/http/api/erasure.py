"""What is sent to delete an account."""

from msgspec import Struct

from shop.entrypoints.http.api.fields import Password
from shop.entrypoints.http.json_body import JsonBody
from shop.entrypoints.http.raw import body
from shop.entrypoints.http.served import HttpRequest


class ErasureBody(Struct, forbid_unknown_fields=True):
    """An account without a password needs none, but a sign-in of the last minutes."""

    current_password: Password | None = None


_body = JsonBody(ErasureBody)


async def password_in(request: HttpRequest) -> str | None:
    """The body may be left out by those who have no password. Raises `Malformed`."""
    if not await body(request.scope, request.receive):
        return None
    given: ErasureBody = await _body.read(request)
    return given.current_password
