"""The OAuth 2 endpoints that programs call (RFC 6749, RFC 7009, RFC 7662, RFC 7517, OpenID)."""

from dataclasses import dataclass
from typing import ClassVar

from litestar import Controller, MediaType, Response, get, post
from litestar.openapi import ResponseSpec
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.access import Caller, Scope
from shop.core.users.clients import Client, ClientInvalid
from shop.core.users.granting import ClientAuthentication, Granted, Granting
from shop.core.users.inspecting import Inspection, Revocation, TokenStanding
from shop.core.users.issuing import OwnToken, TokenPair
from shop.core.users.model import IdentityRules, User
from shop.core.users.profile import Profile
from shop.core.users.sessions import Refreshing
from shop.entrypoints.http.oauth_forms import (
    HANDLERS,
    PRIVATE,
    REFUSALS,
    FormOperation,
    Refusal,
    client_of,
    needed,
    read,
)
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.users import Tokens

_BEARER = "Bearer"


class TokenAnswer(Struct, omit_defaults=True):
    """`expires_in` is that of the access token, in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    id_token: str | UnsetType = UNSET

    @classmethod
    def of(cls, pair: TokenPair | OwnToken, id_token: str = "") -> "TokenAnswer":
        return cls(
            access_token=pair.access_token,
            token_type=_BEARER,
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token if isinstance(pair, TokenPair) else UNSET,
            scope=pair.scope or UNSET,
            id_token=id_token or UNSET,
        )


class Introspected(Struct, omit_defaults=True):
    """As in RFC 7662, section 2.2. Of a token that does not hold, nothing else is said."""

    active: bool
    scope: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    aud: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET

    @classmethod
    def of(cls, token: TokenStanding, site: str) -> "Introspected":
        return cls(
            active=True,
            scope=token.scope or UNSET,
            client_id=token.client_id,
            token_type=_BEARER if token.token_id else UNSET,
            exp=int(token.expires_at.timestamp()),
            iat=int(token.issued_at.timestamp()),
            sub=str(token.user_id or token.client_id),
            aud=site,
            iss=site,
            jti=token.token_id or UNSET,
            sid=str(token.session_id) if token.session_id else UNSET,
        )


class UserInfo(Struct, omit_defaults=True):
    """As in OpenID Connect Core, section 5.1: what the token's scope lets see."""

    sub: str
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET

    @classmethod
    def of(cls, user: User, caller: Caller) -> "UserInfo":
        info = cls(sub=str(user.id))
        if caller.lets(Scope.PROFILE):
            info.name = user.name
        if caller.lets(Scope.EMAIL):
            info.email = user.email.written
            info.email_verified = user.verified_at is not None
        return info


class KeySet(Struct):
    keys: list[dict[str, str]]


@dataclass
class _TokenOperation(FormOperation):
    required_fields: ClassVar[tuple[str, ...]] = ("grant_type",)
    more_fields: ClassVar[tuple[str, ...]] = (
        *("code", "redirect_uri", "code_verifier", "refresh_token", "scope"),
        *("client_id", "client_secret"),
    )


class OAuthController(Controller):
    path = "/oauth2"
    tags = ("OAuth 2",)
    exception_handlers = HANDLERS

    @post(
        "/token",
        status_code=200,
        operation_class=_TokenOperation,
        response_description="New tokens.",
        responses=REFUSALS,
    )
    @served
    async def token(
        self,
        request: HttpRequest,
        clients: Given[ClientAuthentication],
        refreshing: Given[Refreshing],
        granting: Given[Granting],
    ) -> Response[TokenAnswer]:
        """Swap a code or a refresh token for new tokens, once, or get one for the client itself."""
        form = await read(request)
        client = await client_of(request, form, clients)
        match needed(form, "grant_type"):
            case "authorization_code":
                granted = await _exchanged(form, client, granting)
                answer = TokenAnswer.of(granted.tokens, granted.id_token)
            case "refresh_token":
                used, asked = needed(form, "refresh_token"), _scope(form)
                answer = TokenAnswer.of(await refreshing.refresh(used, client.id, asked))
            case "client_credentials":
                answer = TokenAnswer.of(await granting.own(client, _scope(form)))
            case _:
                raise Refusal(
                    "unsupported_grant_type",
                    "Use authorization_code, refresh_token or client_credentials.",
                )
        return Response(answer, headers=PRIVATE)

    @post(
        "/revoke",
        status_code=200,
        operation_class=FormOperation,
        responses={200: ResponseSpec(None, description="It is worthless now.")} | REFUSALS,
    )
    @served
    async def revoke(
        self,
        request: HttpRequest,
        clients: Given[ClientAuthentication],
        revocation: Given[Revocation],
    ) -> Response[None]:
        """End the session of an access or refresh token; one that is unknown is no error."""
        form = await read(request)
        client = await client_of(request, form, clients)
        await revocation.revoke(needed(form, "token"), client.id)
        return Response(None, media_type=MediaType.TEXT, headers=PRIVATE)

    @post(
        "/introspect",
        status_code=200,
        operation_class=FormOperation,
        response_description="What it is worth.",
        responses=REFUSALS,
    )
    @served
    async def introspect(
        self,
        request: HttpRequest,
        clients: Given[ClientAuthentication],
        inspection: Given[Inspection],
        rules: Given[IdentityRules],
    ) -> Response[Introspected]:
        """What an access or refresh token is worth now; only clients with a secret may ask."""
        form = await read(request)
        client = await client_of(request, form, clients)
        if client.public:
            raise ClientInvalid("A public client cannot prove who it is.")
        found = await inspection.look(needed(form, "token"), client.id)
        told = (
            Introspected(active=False) if found is None else Introspected.of(found, rules.site_url)
        )
        return Response(told, headers=PRIVATE)

    @get("/userinfo")
    @served
    async def userinfo(self, caller: Caller, profile: Given[Profile]) -> Response[UserInfo]:
        """Who the token is of, as far as its scope lets see."""
        return Response(UserInfo.of(await profile.identity(caller), caller), headers=PRIVATE)

    @post("/userinfo", status_code=200)
    @served
    async def userinfo_by_post(self, caller: Caller, profile: Given[Profile]) -> Response[UserInfo]:
        """The same, as OpenID Connect also allows."""
        return Response(UserInfo.of(await profile.identity(caller), caller), headers=PRIVATE)

    @get("/jwks")
    @served
    async def keys(self, tokens: Given[Tokens]) -> Response[KeySet]:
        """The public keys that tokens are signed with."""
        found = KeySet((await tokens.jwks())["keys"])
        return Response(found, headers={"Cache-Control": "public, max-age=300"})


async def _exchanged(form: dict[str, str], client: Client, granting: Granting) -> Granted:
    from shop.entrypoints.http import oauth_grammar  # noqa: PLC0415 - dear to import

    code = needed(form, "code")
    redirect_uri = needed(form, "redirect_uri")
    challenge = oauth_grammar.challenge_of(needed(form, "code_verifier"))
    if challenge is None:
        raise Refusal("invalid_request", "code_verifier has 43 to 128 unreserved characters.")
    return await granting.exchange(client, code, redirect_uri, challenge)


def _scope(form: dict[str, str]) -> frozenset[str]:
    return frozenset(form.get("scope", "").split())
