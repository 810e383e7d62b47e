"""Signing in with other services, and the linked profiles of an account."""

from uuid import UUID

import structlog
from litestar.params import FromPath

from shop.core.kernel.errors import Denied, ShopError
from shop.core.kernel.ids import ProfileId
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.linked import (
    ConsentDenied,
    EmailUnproven,
    LastWayIn,
    PasswordFirst,
    ProfileNotFound,
    ProfileTaken,
    ProviderDown,
    SignInAgain,
    SocialRefused,
    TooManyProfiles,
)
from shop.core.users.social import ProfileLinks, SocialSignIn
from shop.core.users.trips import LASTS, Arrival, Return, SocialTrips
from shop.entrypoints.http.problems import status_of
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import local_path
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit, quoted
from shop.entrypoints.http.web.visited import visited

log = structlog.get_logger()

_PROFILES = "/account/profiles"
_TICKET = "social"


@page("/auth/{provider:str}")
@visited
async def leave(
    provider: FromPath[str],
    visit: Visit,
    trips: Given[SocialTrips],
    links: Given[ProfileLinks],
) -> Reply:
    """To the provider: to sign in, or from the account page, to link a profile."""
    asked = visit.request.query_params
    to = local_path(asked.get("next", ""), "/account")
    linking = None
    if token := asked.get("link", ""):
        if not visit.proves(f"link {provider}", token):
            raise Denied("This page was open for too long. Go back, reload it and try again.")
        to = _PROFILES
        try:
            linking = await links.ask(visit.caller)
        except SignInAgain:
            return visit.see(_PROFILES, "sign-in-again")
        except TooManyProfiles:
            return visit.see(_PROFILES, "profile-most")
    elif visit.caller.user_id is not None:
        return visit.see(to)
    try:
        departure = await trips.leave(provider, to=to, linking=linking)
    except (ProviderDown, SocialRefused) as error:
        return await _trouble(visit, provider, error)
    visit.hold(_TICKET, departure.ticket, int(LASTS.total_seconds()))
    return see(departure.url)


@page("/auth/{provider:str}/callback")
@visited
async def arrive(
    provider: FromPath[str],
    visit: Visit,
    trips: Given[SocialTrips],
    links: Given[ProfileLinks],
    signing: Given[SocialSignIn],
) -> Reply:
    """Back from the provider, once: the ticket is gone after this."""
    asked = visit.request.query_params
    ticket = visit.held(_TICKET)
    visit.hold(_TICKET, "", 0)
    back = Return(
        state=asked.get("state", ""),
        code=asked.get("code", ""),
        error=asked.get("error", ""),
        issuer=asked.get("iss"),
    )
    try:
        arrival = await trips.arrive(provider, ticket, back)
        if arrival.linking is not None:
            return await _link(visit, links, arrival)
        return await _signed_in(visit, signing, arrival)
    except ConsentDenied as denied:
        if denied.linking:
            return visit.see(_PROFILES, "consent-denied")
        return visit.see(f"/sign-in?next={quoted(denied.next)}", "consent-denied")
    except PasswordFirst:
        return visit.see(f"/sign-in?next={_PROFILES}", "password-first")
    except (ProviderDown, SocialRefused, EmailUnproven) as error:
        return await _trouble(visit, provider, error)


async def _signed_in(visit: Visit, signing: SocialSignIn, arrival: Arrival) -> Reply:
    try:
        told = await signing.sign_in(arrival.claimed, visit.device)
    except SecondFactorRequired as more:
        return visit.second_step(more, arrival.next)
    await visit.sign_in(told.tokens)
    return visit.see(arrival.next, "signed-in")


async def _link(visit: Visit, links: ProfileLinks, arrival: Arrival) -> Reply:
    if arrival.linking != visit.caller.user_id:
        raise SocialRefused("Somebody else is signed in by now. Please try again.", cause="user")
    try:
        await links.link(visit.caller, arrival.claimed)
    except ProfileTaken:
        return visit.see(_PROFILES, "profile-taken")
    return visit.see(_PROFILES, "profile-linked")


async def _trouble(visit: Visit, provider: str, error: ShopError) -> Reply:
    """A page that says what happened and how to go on; the log says why."""
    cause = error.cause if isinstance(error, ProviderDown | SocialRefused) else ""
    log.warning("social_sign_in_failed", provider=provider, code=error.code, cause=cause)
    title = next((one.title for one in visit.front.providers if one.name == provider), provider)
    down = isinstance(error, ProviderDown)
    reply = await visit.page(
        "social_trouble.html",
        http_status=status_of(error),
        title=title,
        words=error.detail,
        down=down,
        again=None if isinstance(error, EmailUnproven) else f"/auth/{provider}",
    )
    if down:
        reply.headers.append((b"retry-after", b"15"))
    return reply


@page(_PROFILES)
@visited
async def profiles(visit: Visit, links: Given[ProfileLinks]) -> Reply:
    titles = {one.name: one.title for one in visit.front.providers}
    mine = await links.mine(visit.caller)
    return await visit.page("profiles.html", profiles=mine, titles=titles)


@form("/account/profiles/{profile_id:uuid}/unlink")
@visited
async def unlink(profile_id: FromPath[UUID], visit: Visit, links: Given[ProfileLinks]) -> Reply:
    try:
        await links.unlink(visit.caller, ProfileId(profile_id))
    except LastWayIn:
        return visit.see(_PROFILES, "last-way-in")
    except ProfileNotFound:
        visit.caller.known()  # unlinked already
    return visit.see(_PROFILES, "profile-unlinked")


ROUTES = (leave, arrive, profiles, unlink)
