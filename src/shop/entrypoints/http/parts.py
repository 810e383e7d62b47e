"""Forms that may hold files (`multipart/form-data`), as the framework reads them."""

from litestar.datastructures import FormMultiDict
from litestar.exceptions import HTTPException

from shop.core.kernel.errors import Malformed
from shop.entrypoints.http.served import HttpRequest


async def parts_of(request: HttpRequest) -> FormMultiDict:
    """Read once, however often asked for. Raises `Malformed` for what is no such form.

    The framework lets its own errors out where a part is no text in the encoding that it names, or
    names one that nobody knows.
    """
    try:
        return await request.form()
    except (HTTPException, UnicodeDecodeError, LookupError):
        raise Malformed("This form cannot be read.", field="", kind="format") from None
