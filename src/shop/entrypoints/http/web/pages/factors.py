"""Where people set up their second factors."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
from litestar.params import FromPath
from markupsafe import Markup

from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import PasskeyId
from shop.core.users.enrolment import AppEnrolment, Enrolled, PasskeyEnrolment
from shop.core.users.factor_guard import Proof
from shop.core.users.factors import (
    CodeWrong,
    FactorMissing,
    LastFactor,
    PasskeyNotFound,
    PasskeyRefused,
    ProofNeeded,
    SecondFactorWrong,
    TooManyPasskeys,
)
from shop.core.users.model import BadCredentials, TooManyFailures
from shop.entrypoints.http.qr import qr_svg
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.second_step import answer_in
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited

_HOME = "/account/second-factor"
_UNFIT = 422
_KEY_GROUP = 4
_NEW = "Your second factor is on. From now on we ask for it when you sign in."
_RENEWED = "These replace the codes you had before."


@page(_HOME)
@visited
async def overview(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    return await visit.page("second_factor.html", factors=await apps.mine(visit.caller), trouble="")


async def _proved(
    visit: Visit, apps: AppEnrolment, work: Callable[[Proof], Awaitable[Reply]]
) -> Reply:
    """Do it, or ask first whether it is really them; the same form is sent once more then."""
    proof = Proof(
        password=visit.form["current_password"] or None,
        code=visit.form.text("code") or None,
        address=visit.address,
    )
    errors = Errors()
    try:
        return await work(proof)
    except ProofNeeded as more:
        status = 403
        if proof.password is not None:
            errors[""] = more.detail
    except BadCredentials:
        status = 401
        errors["current_password"] = "This is not your present password."  # noqa: S105 - words
    except SecondFactorWrong:
        status = 401
        errors["code"] = "This is not right, or was used before."
    except TooManyFailures as wait:
        status = 429
        errors[""] = wait.detail
    except LastFactor:
        return visit.see(_HOME, "factor-last")
    except (FactorMissing, PasskeyNotFound, TooManyPasskeys):
        return visit.see(_HOME)  # done already, in another window
    return await visit.page(
        "second_factor_prove.html",
        http_status=status,
        factors=await apps.mine(visit.caller),
        form=Form(),
        errors=errors,
    )


async def _enrolled(visit: Visit, enrolled: Enrolled) -> Reply:
    if not enrolled.recovery_codes:
        return visit.see(_HOME, "factor-added")
    return await _codes(visit, enrolled.recovery_codes, _NEW)


async def _codes(visit: Visit, codes: tuple[str, ...], told: str) -> Reply:
    return await visit.page("second_factor_codes.html", codes=codes, told=told)


@form(f"{_HOME}/app")
@visited
async def begin_app(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    async def work(proof: Proof) -> Reply:
        await apps.begin(visit.caller, proof)
        return visit.see(f"{_HOME}/app")

    return await _proved(visit, apps, work)


@page(f"{_HOME}/app")
@visited
async def app_page(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    return await _app_page(visit, apps, Errors())


async def _app_page(visit: Visit, apps: AppEnrolment, errors: Errors) -> Reply:
    try:
        app = await apps.waiting(visit.caller)
    except FactorMissing:
        return visit.see(_HOME)
    starts = range(0, len(app.secret), _KEY_GROUP)
    return await visit.page(
        "second_factor_app.html",
        http_status=_UNFIT if errors else 200,
        qr=Markup(qr_svg(app.uri)),  # noqa: S704 - drawn here, of our own text
        key=" ".join(app.secret[start : start + _KEY_GROUP] for start in starts),
        form=Form(),
        errors=errors,
    )


@form(f"{_HOME}/app/confirm")
@visited
async def confirm_app(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    try:
        enrolled = await apps.confirm(visit.caller, visit.form.text("code"))
    except FactorMissing:
        return visit.see(_HOME)
    except CodeWrong as wrong:
        return await _app_page(visit, apps, Errors({"code": wrong.detail}))
    return await _enrolled(visit, enrolled)


@form(f"{_HOME}/app/remove")
@visited
async def remove_app(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    async def work(proof: Proof) -> Reply:
        await apps.remove(visit.caller, proof)
        return visit.see(_HOME, "factor-removed")

    return await _proved(visit, apps, work)


@form(f"{_HOME}/codes")
@visited
async def renew_codes(visit: Visit, apps: Given[AppEnrolment]) -> Reply:
    async def work(proof: Proof) -> Reply:
        return await _codes(visit, await apps.renew_codes(visit.caller, proof), _RENEWED)

    return await _proved(visit, apps, work)


@form(f"{_HOME}/passkeys")
@visited
async def begin_passkey(
    visit: Visit, apps: Given[AppEnrolment], passkeys: Given[PasskeyEnrolment]
) -> Reply:
    async def work(proof: Proof) -> Reply:
        options = await passkeys.begin(visit.caller, proof)
        return await visit.page(
            "second_factor_passkey.html",
            options=msgspec.json.encode(options).decode(),
            form=Form(),
            errors=Errors(),
        )

    return await _proved(visit, apps, work)


@form(f"{_HOME}/passkeys/add")
@visited
async def add_passkey(
    visit: Visit, apps: Given[AppEnrolment], passkeys: Given[PasskeyEnrolment]
) -> Reply:
    try:
        enrolled = await passkeys.finish(visit.caller, visit.form["name"][:100], answer_in(visit))
    except (PasskeyRefused, TooManyPasskeys, Malformed) as no:
        return await visit.page(
            "second_factor.html",
            http_status=_UNFIT,
            factors=await apps.mine(visit.caller),
            trouble=no.detail,
        )
    return await _enrolled(visit, enrolled)


@form(f"{_HOME}/passkeys/{{passkey_id:uuid}}/remove")
@visited
async def remove_passkey(
    passkey_id: FromPath[UUID],
    visit: Visit,
    apps: Given[AppEnrolment],
    passkeys: Given[PasskeyEnrolment],
) -> Reply:
    async def work(proof: Proof) -> Reply:
        await passkeys.remove(visit.caller, PasskeyId(passkey_id), proof)
        return visit.see(_HOME, "factor-removed")

    return await _proved(visit, apps, work)


ROUTES = (
    overview,
    begin_app,
    app_page,
    confirm_app,
    remove_app,
    renew_codes,
    begin_passkey,
    add_passkey,
    remove_passkey,
)
