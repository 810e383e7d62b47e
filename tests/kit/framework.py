"""Apps of the framework, made once and lent to one shop after another.

To make one takes longer than most tests; what it knows of its shop is in its state alone.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from dishka import AsyncContainer
from litestar import Litestar
from litestar.datastructures import State

from shop.entrypoints.http import app, site
from shop.entrypoints.http.site import Site, SiteRules, make_site

_make = app.make_app
_free: dict[tuple[bool, str], list[Litestar]] = defaultdict(list)


def _lent(container: AsyncContainer, authenticator: Any, *, sandbox: bool, theme: str) -> Litestar:
    free = _free[sandbox, theme]
    if not free:
        return _make(container, authenticator, sandbox=sandbox, theme=theme)
    lent = free.pop()
    state = {"container": container, "authenticator": authenticator, "look": lent.state.look}
    lent.state = State(state)
    return lent


@asynccontextmanager
async def a_site(container: AsyncContainer, rules: SiteRules) -> AsyncIterator[Site]:
    with patch.object(site, "make_app", _lent):
        made = await make_site(container, rules)
    yield made
    if not rules.theme:  # the files of a theme are of one test
        _free[rules.sandbox, rules.theme].append(made.app)
