"""The limits on identity calls, as whoever is over them meets them at the whole site."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shop.entrypoints.http.site import SiteRules
from tests.kit.containers import running, settings_for
from tests.kit.framework import a_site

FEW = 2
HOME = "http://localhost:8000"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    rules = SiteRules(identity_per_minute=FEW)
    async with (
        running(settings_for("sqlite", tmp_path)) as container,
        a_site(container, rules) as site,
        httpx.AsyncClient(transport=httpx.ASGITransport(site.edge)) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("//api/v1/verify-email", {"token": "x"}),
        ("/api/v1//verify-email", {"token": "x"}),
        ("/api//v1/verify-email///", {"token": "x"}),
        ("//api/v1/login", {"email": "asha@example.com", "password": "three green kettles"}),
        ("//oauth2/token", {}),
        ("//sign-in", {}),
    ],
)
async def test_slashes_too_many_lead_past_no_limit(
    client: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    answers = [await client.post(HOME + path, json=body) for _ in range(FEW + 1)]
    assert 429 not in {answer.status_code for answer in answers[:FEW]}
    assert answers[FEW].status_code == 429


async def test_nor_does_one_at_the_end(client: httpx.AsyncClient) -> None:
    for _ in range(FEW):
        assert (await client.get(f"{HOME}/oauth2/authorize/")).status_code != 429
    assert (await client.get(f"{HOME}/oauth2/authorize/")).status_code == 429


async def test_a_browser_over_the_limit_is_told_in_a_page(client: httpx.AsyncClient) -> None:
    for accept in ("text/html", "application/json"):
        for _ in range(FEW + 1):
            told = await client.post(f"{HOME}/forgot-password", headers={"accept": accept})
        assert told.status_code == 429
        assert int(told.headers["retry-after"]) > 0
        kind = told.headers["content-type"]
        if accept == "text/html":
            assert kind.startswith("text/html")
            assert "default-src 'self'" in told.headers["content-security-policy"]
            assert "A little too fast" in told.text
            assert "Please try again in" in told.text
        else:
            assert kind == "application/problem+json"
