"""The verbs of the storefront. Its pages are no part of the documented API."""

from functools import partial

from litestar import HttpMethod, post, route

#: Whoever may GET a page may ask for its HEAD: link checkers, and monitors of uptime.
page = partial(route, http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
form = partial(post, include_in_schema=False, status_code=200)
