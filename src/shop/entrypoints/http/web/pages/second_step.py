"""The second step of a sign-in, and signing in by a passkey alone."""

from typing import Any

import msgspec

from shop.core.users.factor_facts import Method
from shop.core.users.factors import (
    SecondFactorWrong,
    TicketInvalid,
)
from shop.core.users.model import BadCredentials, TooManyFailures
from shop.core.users.second_step import PasskeySignIn, SecondStep, SecondSteps
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import TICKET, Visit, quoted
from shop.entrypoints.http.web.visited import visited

_DIGITS = 6


def answer_in(visit: Visit) -> dict[str, Any]:
    """What the browser's passkey said; nonsense is refused like a wrong key."""
    try:
        return msgspec.json.decode(visit.form["passkey"], type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


@page("/sign-in/second-factor")
@visited
async def second_page(
    visit: Visit, steps: Given[SecondSteps], signing: Given[PasskeySignIn]
) -> Reply:
    if visit.caller.user_id is not None:
        return visit.see(visit.next)
    return await _second_page(visit, steps, signing, Errors())


async def _second_page(
    visit: Visit, steps: SecondSteps, signing: PasskeySignIn, errors: Errors, status: int = 200
) -> Reply:
    ticket = visit.held(TICKET)
    options = b""
    try:
        methods = await steps.methods(ticket)
        if Method.PASSKEY in methods:
            options = msgspec.json.encode((await signing.ask(ticket)).options)
    except TicketInvalid:
        visit.hold(TICKET, "", 0)
        return visit.see(f"/sign-in?next={quoted(visit.next)}", "sign-in-late")
    return await visit.page(
        "second_step.html",
        http_status=status,
        methods=methods,
        options=options.decode(),
        next=visit.next,
        form=Form(),
        errors=errors,
    )


@form("/sign-in/second-factor")
@visited
async def second_step(
    visit: Visit, steps: Given[SecondSteps], signing: Given[PasskeySignIn]
) -> Reply:
    errors, status = Errors(), 401
    try:
        told = await steps.complete(_shown(visit))
    except TicketInvalid:
        return await _second_page(visit, steps, signing, errors)
    except SecondFactorWrong:
        errors["code"] = "This is not right, or was used before."
        if visit.form["passkey"]:
            errors = Errors({"": "This passkey was not accepted. Please try again."})
    except TooManyFailures as wait:
        errors[""], status = wait.detail, 429
    if errors:
        return await _second_page(visit, steps, signing, errors, status)
    visit.hold(TICKET, "", 0)
    await visit.sign_in(told.tokens)
    return visit.see(visit.next, "signed-in")


def _shown(visit: Visit) -> SecondStep:
    ticket = visit.held(TICKET)
    if visit.form["passkey"]:
        return SecondStep(ticket=ticket, passkey=answer_in(visit), device=visit.device)
    return step_typed(visit, ticket)


def step_typed(visit: Visit, ticket: str) -> SecondStep:
    """Up to six signs are meant for the app's code, more for one on paper."""
    typed = visit.form.text("code")
    if len(typed.replace(" ", "")) <= _DIGITS:
        return SecondStep(ticket=ticket, code=typed, device=visit.device)
    return SecondStep(ticket=ticket, recovery_code=typed, device=visit.device)


@form("/sign-in/passkey")
@visited
async def passkey_sign_in(visit: Visit, signing: Given[PasskeySignIn]) -> Reply:
    errors = Errors()
    try:
        told = await signing.complete(visit.form["ticket"], answer_in(visit), visit.device)
    except TicketInvalid:
        return visit.see(f"/sign-in?next={quoted(visit.next)}", "sign-in-late")
    except BadCredentials:
        errors[""] = "This passkey is not known here. Please sign in with your password."
        typed = Form(next=visit.next)
        return await visit.page("sign_in.html", http_status=401, form=typed, errors=errors)
    await visit.sign_in(told.tokens)
    return visit.see(visit.next, "signed-in")


ROUTES = (second_page, second_step, passkey_sign_in)
