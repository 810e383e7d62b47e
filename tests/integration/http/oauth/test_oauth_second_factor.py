"""A program asks in, and the account has a second factor."""

from pathlib import Path

import pytest

from shop.core.kernel.access import Caller
from shop.core.users.enrolment import AppEnrolment
from shop.core.users.factor_guard import Proof
from shop.ports.factors import OneTimeCodes
from shop.ports.users import UserReads
from tests.kit.oauth import ASHA, BACK, Person, a_client, address, answer_in, only_form, said, swap
from tests.kit.people import PASSWORD
from tests.kit.site import Shop, a_shop


async def _recovery_codes(shop: Shop) -> tuple[str, ...]:
    """Of the app that Asha sets up."""
    async with shop.container() as scope:
        asha = await (await scope.get(UserReads)).by_email(ASHA)
        assert asha is not None
        caller = Caller(user_id=asha.id)
        apps, codes = await scope.get(AppEnrolment), await scope.get(OneTimeCodes)
        app = await apps.begin(caller, Proof(password=PASSWORD))
        code = codes.at(app.secret, int(shop.clock.now().timestamp()) // 30)
        return (await apps.confirm(caller, code)).recovery_codes


@pytest.mark.parametrize("storage", ["memory"])
async def test_the_second_step_comes_between_sign_in_and_consent(
    storage: str, tmp_path: Path
) -> None:
    async with a_shop(storage, tmp_path) as shop:
        await shop.somebody(ASHA)
        codes = await _recovery_codes(shop)
        app, asha = await a_client(shop.container), Person(shop.client, ASHA)
        page = await asha.sign_in(address(app.client.id))
        assert "Second step" in page.text
        assert not any(name.endswith("access") for name in shop.client.cookies)
        wrong = await asha.press(page, code="000000")
        assert wrong.status_code == 401
        assert only_form(wrong)["ticket"] == only_form(page)["ticket"]
        consent = await asha.press(wrong, code=codes[0])
        assert "A web app" in consent.text
        told = answer_in(await asha.press(consent), BACK)
        tokens = (await swap(shop, app, told["code"])).json()
        assert said(tokens["id_token"])["amr"] == ["pwd", "otp", "mfa"]
