"""The storefront as somebody without JavaScript uses it: pages, and the forms in them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import httpx
from dishka import AsyncContainer

from shop.core.kernel.access import Role
from shop.core.users.admins import Staffing
from shop.entrypoints.actors.desks import desks_of
from shop.entrypoints.http.site import SiteRules
from tests.kit.containers import running, settings_for
from tests.kit.framework import a_site

SITE = "http://localhost:8000"
PASSWORD = "three green kettles"


class Form:
    """A form of a page, with what its fields hold already."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method
        self.fields: dict[str, str] = {}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inline: list[str] = []
        self._select = ""
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append("script")
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
            self._open = True
        if not self._open:
            return
        fields = self.forms[-1].fields
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in fields):
            fields[self._select] = given.get("value", "")
        elif tag == "input" and name:
            choice = given.get("type") in {"radio", "checkbox"}
            if not choice or "checked" in given:
                fields[name] = given.get("value", "")
        elif tag == "textarea":
            fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def forms_of(page: httpx.Response) -> list[Form]:
    reader = _Reader()
    reader.feed(page.text)
    return reader.forms


def inline_code(page: httpx.Response) -> list[str]:
    """Scripts, handlers and styles in the page itself, which its policy forbids."""
    reader = _Reader()
    reader.feed(page.text)
    return reader.inline


class Visitor:
    """A browser without scripts: keeps cookies, follows redirects."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.client.get(path, follow_redirects=True, **kwargs)

    async def submit(self, page: httpx.Response, action: str, /, **typed: str) -> httpx.Response:
        """Fill in the form that leads there and send it; the answer is not followed."""
        return await self.submit_with({}, page, action, **typed)

    async def submit_with(
        self, headers: dict[str, str], page: httpx.Response, action: str, /, **typed: str
    ) -> httpx.Response:
        [form, *_] = [form for form in forms_of(page) if form.action == action]
        return await self.client.post(action, data=form.fields | typed, headers=headers)

    async def send(self, page: httpx.Response, action: str, /, **typed: str) -> httpx.Response:
        """The same, and go where it leads."""
        answer = await self.submit(page, action, **typed)
        if not answer.is_redirect:
            return answer
        return await self.get(answer.headers["location"])

    async def sign_in(self, email: str) -> httpx.Response:
        page = await self.get("/sign-in")
        return await self.send(page, "/sign-in", email=email, password=PASSWORD)


class Storefront:
    def __init__(self, container: AsyncContainer, app: Any) -> None:
        self.container = container
        self._app = app
        self._clients: list[httpx.AsyncClient] = []

    def visitor(self, base: str = SITE) -> Visitor:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._app),
            base_url=base,
            headers={"Accept": "text/html", "User-Agent": "a browser"},
        )
        self._clients.append(client)
        return Visitor(client)

    async def person(self, email: str, *roles: Role, name: str = "Asha Rao") -> None:
        async with self.container() as scope:
            staffing = await scope.get(Staffing)
            await staffing.hire(email, PASSWORD, name, frozenset({Role.CUSTOMER, *roles}))

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def a_storefront(folder: Path, theme: str = "", **changes: Any) -> AsyncIterator[Storefront]:
    """The whole HTTP side over SQLite, with its desks at work."""
    rules = SiteRules(limits=False, theme=theme)
    async with (
        running(settings_for("sqlite", folder, **changes)) as container,
        a_site(container, rules) as site,
    ):
        desks = await desks_of(container)
        at_work = [asyncio.create_task(cast(Any, desk).run()) for desk in desks]
        await asyncio.sleep(0)
        storefront = Storefront(container, site.edge)
        try:
            yield storefront
        finally:
            await storefront.close()
            for desk in desks:
                await cast(Any, desk).drain()
            await asyncio.gather(*at_work)
