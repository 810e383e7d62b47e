"""The verbs of the storefront. Its pages are no part of the documented API."""

from functools import partial

from litestar import get, post

page = partial(get, include_in_schema=False)
form = partial(post, include_in_schema=False, status_code=200)
