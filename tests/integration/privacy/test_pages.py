"""Taking one's data along and leaving, by the pages of the account."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shop.core.kernel.access import Role
from shop.ports.users import UserReads
from tests.kit.storefront import PASSWORD, Storefront, a_storefront, inline_code

DELETE = "/account/privacy/delete"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as shop:
        yield shop


async def exists(shop: Storefront) -> bool:
    return await (await shop.container.get(UserReads)).by_email("asha@example.com") is not None


async def test_the_data_come_as_a_file(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    assert (await visitor.get("/account/privacy")).url.path == "/sign-in"
    await visitor.sign_in("asha@example.com")
    page = await visitor.get("/account/privacy")
    assert inline_code(page) == []
    assert 'href="/account/privacy/data"' in page.text
    file = await visitor.get("/account/privacy/data")
    assert file.headers["content-disposition"].startswith("attachment")
    assert json.loads(file.text)["profile"]["email"] == "asha@example.com"
    assert (await shop.visitor().client.get("/account/privacy/data")).status_code == 303


async def test_an_account_is_deleted_by_who_is_sure_and_knows_the_password(
    shop: Storefront,
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    page = await visitor.get("/account/privacy")
    answer = await visitor.submit(page, DELETE, current_password=PASSWORD)
    assert (answer.status_code, "Please tick this first" in answer.text) == (422, True)
    for wrong in ("wrong", ""):
        answer = await visitor.submit(page, DELETE, current_password=wrong, sure="yes")
        assert (answer.status_code, "not your present password" in answer.text) == (422, True)
    assert await exists(shop)
    answer = await visitor.send(page, DELETE, current_password=PASSWORD, sure="yes")
    assert "Your account is deleted" in answer.text
    assert not await exists(shop)
    assert (await visitor.get("/account")).url.path == "/sign-in"


async def test_a_form_of_another_site_deletes_nothing(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    data = {"current_password": PASSWORD, "sure": "yes"}
    assert (await visitor.client.post(DELETE, data=data)).status_code == 403
    assert await exists(shop)


async def test_the_last_administrator_is_told_why_not(shop: Storefront) -> None:
    await shop.person("asha@example.com", Role.ADMIN)
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    page = await visitor.get("/account/privacy")
    answer = await visitor.submit(page, DELETE, current_password=PASSWORD, sure="yes")
    assert answer.status_code == 422
    assert "Somebody must run the shop" in answer.text
