"""Apps of the framework, made once and lent to one shop after another.

To make one takes longer than most tests; what it knows of its shop is in its state alone.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from dishka import AsyncContainer
from litestar import Litestar
from litestar.datastructures import State

from shop.entrypoints.http import app, site
from shop.entrypoints.http.site import Site, SiteRules, make_site

_make = app.make_app
_free: dict[Hashable, list[Litestar]] = defaultdict(list)


@contextmanager
def lent(make: Callable[[], Litestar], state: dict[str, Any]) -> Iterator[Litestar]:
    """One that `make` made, now or before, with that state and no other."""
    borrowed = _free[make].pop() if _free[make] else make()
    borrowed.state = State(state)
    yield borrowed
    _free[make].append(borrowed)


def _site_app(
    container: AsyncContainer, authenticator: Any, *, sandbox: bool, theme: str
) -> Litestar:
    free = _free[sandbox, theme]
    if not free:
        return _make(container, authenticator, sandbox=sandbox, theme=theme)
    borrowed = free.pop()
    state = {"container": container, "authenticator": authenticator, "look": borrowed.state.look}
    borrowed.state = State(state)
    return borrowed


@asynccontextmanager
async def a_site(container: AsyncContainer, rules: SiteRules) -> AsyncIterator[Site]:
    with patch.object(site, "make_app", _site_app):
        made = await make_site(container, rules)
    yield made
    if not rules.theme:  # the files of a theme are of one test
        _free[rules.sandbox, rules.theme].append(made.app)
