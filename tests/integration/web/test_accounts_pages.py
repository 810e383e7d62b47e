"""Accounts in the back office."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shop.core.kernel.access import Role
from shop.core.users.factors import Factors
from shop.ports.factors import SecondFactors
from shop.ports.mail import EmailFilter, EmailReads
from shop.ports.uow import UnitOfWork
from shop.ports.users import UserReads
from tests.kit.storefront import Storefront, Visitor, a_storefront, forms_of

ASHA = "asha@example.com"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as storefront:
        yield storefront


async def boss(shop: Storefront) -> Visitor:
    await shop.person("boss@example.com", Role.ADMIN)
    visitor = shop.visitor()
    await visitor.sign_in("boss@example.com")
    return visitor


async def page_of(shop: Storefront, email: str) -> str:
    user = await (await shop.container.get(UserReads)).by_email(email)
    assert user is not None
    return f"/admin/users/{user.id}"


async def with_factors(shop: Storefront, email: str) -> None:
    async with shop.container() as scope:
        user = await (await scope.get(UserReads)).by_email(email)
        assert user is not None
        async with (await scope.get(UnitOfWork)).begin():
            lost = Factors(user_id=user.id, totp=b"sealed", recovery=(b"h" * 32,))
            await (await scope.get(SecondFactors)).save(lost)


async def test_somebody_who_lost_their_factors_is_let_in_again(shop: Storefront) -> None:
    await shop.person(ASHA)
    asha, visitor = shop.visitor(), await boss(shop)
    await asha.sign_in(ASHA)
    await with_factors(shop, ASHA)
    listed = await visitor.get("/admin/users?q=asha")
    page = await page_of(shop, ASHA)
    assert page in listed.text
    assert "boss@example.com" not in listed.text.partition("<main")[2]
    there = await visitor.get(page)
    done = await visitor.send(there, f"{page}/reset-factors")
    assert "every device is signed out" in done.text
    assert (await asha.get("/account")).url.path == "/sign-in"
    [mail] = (await (await shop.container.get(EmailReads)).page(EmailFilter(), 9, None)).items
    assert mail.to == ASHA
    await shop.visitor().sign_in(ASHA)
    assert "user.factors-reset" in (await visitor.get("/admin/log")).text
    again = await visitor.send(there, f"{page}/reset-factors")
    assert "nothing was changed" in again.text


async def test_nobody_takes_their_own_away_here(shop: Storefront) -> None:
    visitor = await boss(shop)
    await with_factors(shop, "boss@example.com")
    page = await page_of(shop, "boss@example.com")
    told = await visitor.send(await visitor.get(page), f"{page}/reset-factors")
    assert "changed in your account" in told.text


async def test_roles_are_given_and_taken(shop: Storefront) -> None:
    await shop.person(ASHA)
    visitor, page = await boss(shop), await page_of(shop, ASHA)
    there = await visitor.get(page)
    saved = await visitor.send(there, f"{page}/roles", **{"role-staff": "yes"})
    assert "Saved." in saved.text
    asha = shop.visitor()
    await asha.sign_in(ASHA)
    assert (await asha.get("/admin")).status_code == 200
    mine = await page_of(shop, "boss@example.com")
    there = await visitor.get(mine)
    fields = {"csrf": forms_of(there)[-1].fields["csrf"], "role-customer": "yes"}
    await visitor.client.post(f"{mine}/roles", data=fields)
    told = await visitor.get(mine)
    assert "Nobody may take" in told.text


@pytest.mark.parametrize("roles", [(), (Role.STAFF,)])
async def test_accounts_are_not_there_for_staff_and_customers(
    shop: Storefront, roles: tuple[Role, ...]
) -> None:
    await shop.person(ASHA, *roles)
    visitor = shop.visitor()
    await visitor.sign_in(ASHA)
    page = await page_of(shop, ASHA)
    for path in ("/admin/users", page):
        assert (await visitor.get(path)).status_code == 404
    forms = forms_of(await visitor.get("/account"))
    fields = {"csrf": next(f.fields["csrf"] for f in forms if "csrf" in f.fields)}
    for what in ("reset-factors", "roles"):
        sent = fields | {"role-admin": "yes"}
        answer = await visitor.client.post(f"{page}/{what}", data=sent)
        assert answer.status_code == 404
    assert "/admin/users" not in (await visitor.get("/admin")).text
