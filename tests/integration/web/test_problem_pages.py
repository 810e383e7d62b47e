"""Where the `type` of a problem document leads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.storefront import Storefront, a_storefront, inline_code


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as shop:
        yield shop


async def test_the_type_of_a_problem_leads_to_its_meaning(shop: Storefront) -> None:
    visitor = shop.visitor()
    problem = (await visitor.get("/api/v1/products/nothing")).json()
    page = await visitor.get(problem["type"])
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert f"<code>{problem['code']}</code>" in page.text
    assert "Status 404" in page.text
    assert inline_code(page) == []


async def test_all_problems_stand_on_one_page(shop: Storefront) -> None:
    visitor = shop.visitor()
    page = await visitor.get("/problems")
    for code in ("out-of-stock", "rate-limited", "internal-error", "signature-invalid"):
        assert f'<a href="/problems/{code}">' in page.text
        assert (await visitor.get(f"/problems/{code}")).status_code == 200
    assert "Status 400 or 401" in page.text


async def test_a_code_that_is_none_has_no_page(shop: Storefront) -> None:
    assert (await shop.visitor().get("/problems/nothing")).status_code == 404
