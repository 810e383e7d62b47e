"""The authorization endpoint: who are you, may this program in, and back to it with a code."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from litestar import get, post
from msgspec import Struct
from msgspec.structs import replace

from shop.core.users.authorizing import THINKING, Authorizing
from shop.core.users.clients import ClientNotFound, RedirectUnknown
from shop.core.users.factor_facts import Method
from shop.core.users.factors import SecondFactorRequired, SecondFactorWrong, TicketInvalid
from shop.core.users.model import BadCredentials, TooManyFailures, WeakPassword
from shop.core.users.profile import Profile
from shop.core.users.second_step import SecondSteps
from shop.core.users.sessions import SignOut
from shop.core.users.signing_in import LogIn, SignIn
from shop.entrypoints.http.served import Given, HttpRequest
from shop.entrypoints.http.web.authorization import (
    MORE,
    NEEDED,
    SINCE,
    Ask,
    AskRefused,
    asked_by_post,
    checked,
    query,
    readable,
)
from shop.entrypoints.http.web.authorization_document import AnswerOperation, AskOperation, pages
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.second_step import step_typed
from shop.entrypoints.http.web.refusals import Told
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.visit import Visit, quoted
from shop.entrypoints.http.web.visited import visited, visited_by_any_form
from shop.ports.system import Clock

PATH = "/oauth2/authorize"


class _Doors(Struct, frozen=True):
    """What the pages need of the core."""

    authorizing: Authorizing
    profile: Profile
    clock: Clock


class _Acts(Struct, frozen=True):
    """What the forms do."""

    signing: SignIn
    second: SecondSteps
    leaving: SignOut


@get(
    PATH,
    tags=["OAuth 2"],
    operation_class=AskOperation,
    responses=pages(200, 303, 400),
    summary="Ask somebody to let a program in",
)
@visited
async def ask(
    visit: Visit,
    authorizing: Given[Authorizing],
    profile: Given[Profile],
    clock: Given[Clock],
) -> Reply:
    """Shows the page to sign in, or the one to consent; codes need PKCE with S256."""
    doors = _Doors(authorizing, profile, clock)
    pairs = query(visit.request)
    twice = next((name for name, _ in pairs if sum(n == name for n, _ in pairs) > 1), None)
    given = {name: value for name, value in pairs if value}
    return await _answered(visit, doors, given, twice)


@post(
    PATH,
    status_code=200,
    tags=["OAuth 2"],
    operation_class=AnswerOperation,
    responses=pages(200, 303, 400, 401, 403, 429),
    summary="Sign in, or consent",
)
@visited_by_any_form
async def answer(
    visit: Visit,
    request: HttpRequest,
    authorizing: Given[Authorizing],
    profile: Given[Profile],
    clock: Given[Clock],
    signing: Given[SignIn],
    second: Given[SecondSteps],
    leaving: Given[SignOut],
) -> Reply:
    """Takes the forms of the pages; the last one leads back to the program.

    A program may also begin with POST: then the browser asks the same again with GET, for only so
    does it send its cookies along from another site's page.
    """
    begins = visit.form["client_id"] and not visit.form["step"] and not visit.form["csrf"]
    if begins:
        return see(f"{PATH}?{await asked_by_post(request)}")
    visit.check()
    doors = _Doors(authorizing, profile, clock)
    given = {name: visit.form[name] for name in (*NEEDED, *MORE, SINCE) if visit.form[name]}
    return await _answered(visit, doors, given, None, _Acts(signing, second, leaving))


async def _answered(
    visit: Visit,
    doors: _Doors,
    given: dict[str, str],
    twice: str | None,
    acts: _Acts | None = None,
) -> Reply:
    """The page or the way back; without `acts` nothing was sent yet."""
    redirect_uri = given.get("redirect_uri", "")
    try:
        if twice in {"client_id", "redirect_uri"}:
            raise RedirectUnknown(f"The program that sent you here said {twice} twice.")  # noqa: TRY301
        client = await doors.authorizing.client(given.get("client_id", ""), redirect_uri)
    except (ClientNotFound, RedirectUnknown) as no:
        told = Told(400, "This does not lead anywhere", no.detail)
        return await visit.page("refusal.html", http_status=400, told=told)
    state = readable(given.get("state", ""), "state")
    try:
        if twice is not None:
            raise AskRefused("invalid_request", f"{twice} was sent twice.")  # noqa: TRY301
        ask = checked(given, client, doors.authorizing)
        if SINCE in given:
            ask = replace(ask, since=_moment(visit, given[SINCE]) or doors.clock.now())
        if acts is None:
            return await _first_page(visit, doors, ask)
        return await _next_page(visit, doors, ask, acts)
    except AskRefused as no:
        said = {"error": no.error, "error_description": no.description}
        return _back(visit, redirect_uri, state or "", said)


async def _first_page(visit: Visit, doors: _Doors, ask: Ask) -> Reply:
    at = await doors.authorizing.signed_in_at(visit.caller)
    stale = at is not None and ask.max_age is not None and doors.clock.now() - at > ask.max_age
    stale = stale or (ask.since is not None and not _fresh(ask, at, doors.clock))
    if "none" in ask.prompts:
        if at is None or stale:
            raise AskRefused("login_required", "Nobody is signed in here.")
        raise AskRefused("consent_required", "Every consent is asked for.")
    if at is None or stale or ask.prompts & {"login", "select_account"}:
        return await _sign_in_page(visit, doors, ask)
    return await _consent_page(visit, doors, ask)


async def _next_page(visit: Visit, doors: _Doors, ask: Ask, acts: _Acts) -> Reply:
    step, typed = visit.form["step"], visit.form
    if typed["decision"] == "elsewhere":
        return await _elsewhere(visit, doors, ask, acts.leaving)
    if step == "sign-in":
        return await _signed_in(visit, doors, ask, acts.signing)
    if step == "second-factor":
        return await _second_shown(visit, doors, ask, acts.second)
    at = await doors.authorizing.signed_in_at(visit.caller)
    if step != "consent" or typed["decision"] == "other" or not _fresh(ask, at, doors.clock):
        return await _sign_in_page(visit, doors, ask)
    if typed["decision"] == "deny":
        raise AskRefused("access_denied", "The person did not consent.")
    code = await doors.authorizing.grant(visit.caller, ask.asked)
    return _back(visit, ask.asked.redirect_uri, ask.state, {"code": code})


def _fresh(ask: Ask, at: Any, clock: Clock) -> bool:
    """Whether somebody is signed in as newly as the program wants; to consent takes a while."""
    if at is None or (ask.since is not None and at < ask.since):
        return False
    if ask.max_age is None and ask.since is None and "login" not in ask.prompts:
        return True
    allowed = max(ask.max_age or timedelta(), THINKING)
    fresh: bool = clock.now() - at <= allowed
    return fresh


async def _elsewhere(visit: Visit, doors: _Doors, ask: Ask, leaving: SignOut) -> Reply:
    """To the shop's own page, with a passkey or another service, and back here from there.

    It sends away whoever is signed in, and so does this: the program, or the person, wants a new
    sign-in.
    """
    way = _way(visit, doors, ask)
    if visit.caller.user_id is not None:
        await leaving.log_out(visit.caller)
        visit.sign_out()
    return see(f"/sign-in?next={quoted(way)}")


def _way(visit: Visit, doors: _Doors, ask: Ask) -> str:
    moment = int(doors.clock.now().timestamp())
    return ask.way(f"{moment}.{_signature(visit, moment)}")


def _signature(visit: Visit, moment: int) -> str:
    return visit.front.sign(f"signed in since {moment}")


def _moment(visit: Visit, stamp: str) -> datetime | None:
    """What `_way` stamped; None for what it did not."""
    text, _, signature = stamp.partition(".")
    if not (text.isascii() and text.isdigit() and len(text) <= 11):  # noqa: PLR2004 - seconds
        return None
    mine = _signature(visit, int(text))
    if not hmac.compare_digest(mine.encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    return datetime.fromtimestamp(int(text), UTC)


async def _signed_in(visit: Visit, doors: _Doors, ask: Ask, signing: SignIn) -> Reply:
    try:
        told = await signing.log_in(
            LogIn(
                email=visit.form.text("email"),
                password=visit.form["password"],
                address=visit.address,
                device=visit.device,
                marks=visit.marks,
            )
        )
    except SecondFactorRequired as more:
        return await _second_page(visit, ask, more.ticket, more.methods)
    except BadCredentials:
        wrong = Errors({"": "The e-mail address or the password is not right."})
        return await _sign_in_page(visit, doors, ask, wrong, 401)
    except WeakPassword as weak:
        return await _sign_in_page(visit, doors, ask, Errors({"": weak.detail}), 401)
    except TooManyFailures as wait:
        return await _sign_in_page(visit, doors, ask, Errors({"": wait.detail}), 429)
    await visit.sign_in(told.tokens)
    return await _consent_page(visit, doors, ask)


async def _second_shown(visit: Visit, doors: _Doors, ask: Ask, second: SecondSteps) -> Reply:
    ticket = visit.form["ticket"]
    try:
        try:
            told = await second.complete(step_typed(visit, ticket))
        except (SecondFactorWrong, TooManyFailures) as no:
            methods = await second.methods(ticket)  # none, if that was the last try of the ticket
            status = 429 if isinstance(no, TooManyFailures) else 401
            return await _second_page(visit, ask, ticket, methods, Errors({"": no.detail}), status)
    except TicketInvalid as no:
        return await _sign_in_page(visit, doors, ask, Errors({"": no.detail}), 401)
    await visit.sign_in(told.tokens)
    return await _consent_page(visit, doors, ask)


async def _sign_in_page(
    visit: Visit, doors: _Doors, ask: Ask, errors: Errors | None = None, status: int = 200
) -> Reply:
    email = visit.form["email"] or ask.given.get("login_hint", "")[:254]
    return await visit.page(
        "authorize_sign_in.html",
        http_status=status,
        ask=ask,
        way=_way(visit, doors, ask),
        form=Form(email=email),
        errors=errors or Errors(),
    )


async def _second_page(
    visit: Visit,
    ask: Ask,
    ticket: str,
    methods: tuple[Method, ...],
    errors: Errors | None = None,
    status: int = 200,
) -> Reply:
    return await visit.page(
        "authorize_second_factor.html",
        http_status=status,
        ask=ask,
        ticket=ticket,
        typeable=set(methods) & {Method.TOTP, Method.RECOVERY},
        by_passkey=Method.PASSKEY in methods,
        form=Form(),
        errors=errors or Errors(),
    )


async def _consent_page(visit: Visit, doors: _Doors, ask: Ask) -> Reply:
    # Browsers hold the whole way of redirects to `form-action`, and the program may go on to
    # any other address of its own: so the scheme is all that can be said.
    scheme = urlsplit(ask.asked.redirect_uri).scheme
    return await visit.page(
        "authorize_consent.html",
        form_action=f"{scheme}:",
        ask=ask,
        person=await doors.profile.me(visit.caller),
    )


def _back(visit: Visit, redirect_uri: str, state: str, said: dict[str, str]) -> Reply:
    from shop.entrypoints.http import oauth_grammar  # noqa: PLC0415 - dear to import

    answer = said | ({"state": state} if state else {}) | {"iss": visit.front.site_url}
    return see(oauth_grammar.with_answer(redirect_uri, answer))


ROUTES = (ask, answer)
