"""OpenID providers by their discovery document (OpenID Connect Discovery 1.0)."""

import asyncio
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from shop.adapters.oidc.fetching import PATIENCE, Fetcher, down, is_safe
from shop.adapters.oidc.id_token import Keys, header_of, key_for, refused, verified
from shop.core.users.linked import ProviderDown, ProviderNotFound
from shop.ports.social import Asking, Claimed, Provider, Providers
from shop.ports.system import Clock

_FRESH = timedelta(hours=1)
#: Tokens that name unknown keys make us ask for the keys no more often than this.
_PAUSE = timedelta(seconds=30)
_OK = 200
_LONGEST_NAME = 200


class OidcClient(Struct, frozen=True, kw_only=True):
    """One provider, as the settings have it. Without `secret` it is a public client."""

    name: str
    title: str
    issuer: str
    client_id: str
    secret: str = ""
    scopes: str = "openid email profile"

    def __repr__(self) -> str:
        return f"OidcClient({self.name})"


class _Metadata(Struct, frozen=True, kw_only=True):
    authorization: str
    token: str
    jwks: str
    userinfo: str
    names_itself: bool  # in the answer (RFC 9207)
    secret_in_form: bool
    until: datetime


class _OneProvider:
    def __init__(
        self, client: OidcClient, fetcher: Fetcher, clock: Clock, *, development: bool
    ) -> None:
        self.client = client
        self.fetcher = fetcher
        self._clock = clock
        self._development = development
        self._known: _Metadata | None = None
        self._keys: Keys = []
        self._keys_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def address(self, asking: Asking) -> str:
        known = await self._metadata()
        challenge = sha256(asking.verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.client.client_id,
                "redirect_uri": asking.callback_url,
                "scope": self.client.scopes,
                "state": asking.state,
                "nonce": asking.nonce,
                "code_challenge": urlsafe_b64encode(challenge).decode().rstrip("="),
                "code_challenge_method": "S256",
            }
        )
        glue = "&" if urlsplit(known.authorization).query else "?"
        return f"{known.authorization}{glue}{query}"

    async def redeem(self, asking: Asking, code: str, issuer: str | None) -> Claimed:
        known = await self._metadata()
        if issuer != self.client.issuer and (issuer is not None or known.names_itself):
            raise refused("an answer of another issuer")
        tokens = await self._tokens(known, asking, code)
        token = str(tokens.get("id_token", ""))
        key = await self._key(known, token)
        claims = verified(
            token,
            key,
            issuer=self.client.issuer,
            client_id=self.client.client_id,
            nonce=asking.nonce,
            now=self._clock.now(),
        )
        if "email" not in claims and known.userinfo:
            claims = await self._more(known, claims, tokens.get("access_token"))
        return self._claimed(claims)

    async def _tokens(self, known: _Metadata, asking: Asking, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asking.callback_url,
            "code_verifier": asking.verifier,
        }
        headers = {}
        client = self.client
        if client.secret and not known.secret_in_form:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = client.client_id
            if client.secret:
                form["client_secret"] = client.secret
        answer = await self.fetcher.post(known.token, form, headers)
        if answer.status == _OK:
            return answer.body
        error = str(answer.body.get("error", ""))[:100]
        if error == "invalid_grant":
            raise refused("a code that does not hold")
        raise down(f"the token endpoint said {answer.status} {error}")

    async def _more(
        self, known: _Metadata, claims: dict[str, Any], access_token: Any
    ) -> dict[str, Any]:
        """What some providers tell only at their userinfo endpoint."""
        if not isinstance(access_token, str) or not access_token.isascii():
            return claims
        answer = await self.fetcher.get(known.userinfo, bearer=access_token)
        if answer.status != _OK:
            raise down(f"the userinfo endpoint said {answer.status}")
        if answer.body.get("sub") != claims["sub"]:
            raise refused("the userinfo of somebody else")
        return {**answer.body, **claims}

    def _claimed(self, claims: dict[str, Any]) -> Claimed:
        email, name, proven = (claims.get(k) for k in ("email", "name", "email_verified"))
        return Claimed(
            provider=self.client.name,
            issuer=self.client.issuer,
            subject=claims["sub"],
            email=email[:320] if isinstance(email, str) and email else None,
            # Some providers write the truth as a text.
            email_verified=proven is True or proven == "true",
            name=name[:_LONGEST_NAME] if isinstance(name, str) else "",
        )

    # --- what the provider says of itself ---

    async def _metadata(self) -> _Metadata:
        """What was known stays in use while the provider cannot say anything newer."""
        known = self._known
        if known is not None and self._clock.now() < known.until:
            return known
        async with self._lock:
            if self._known is not known and self._known is not None:
                return self._known
            try:
                self._known = await self._discovered()
            except ProviderDown:
                if known is None:
                    raise
                self._known = replace(known, until=self._clock.now() + _PAUSE)
            return self._known

    async def _discovered(self) -> _Metadata:
        issuer = self.client.issuer
        answer = await self.fetcher.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        told = answer.body
        if answer.status != _OK or told.get("issuer") != issuer:
            raise down("the discovery document is not that of the issuer")
        addresses = [told.get(f"{name}_endpoint") for name in ("authorization", "token")]
        addresses.append(told.get("jwks_uri"))
        if not all(is_safe(url, development=self._development) for url in addresses):
            raise down("the discovery document names addresses that are not safe")
        authorization, token, jwks = map(str, addresses)
        userinfo = str(told.get("userinfo_endpoint", ""))
        ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return _Metadata(
            authorization=authorization,
            token=token,
            jwks=jwks,
            userinfo=userinfo if is_safe(userinfo, development=self._development) else "",
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
            secret_in_form="client_secret_basic" not in ways and "client_secret_post" in ways,
            until=self._clock.now() + _FRESH,
        )

    async def _key(self, known: _Metadata, token: str) -> Mapping[str, Any]:
        header = header_of(token)
        now = self._clock.now()
        age = now - self._keys_at if self._keys_at else _FRESH
        found = key_for(header, self._keys) if age < _FRESH else None
        if found is None and age >= _PAUSE:
            async with self._lock:
                await self._fetch_keys(known)
            found = key_for(header, self._keys)
        if found is None:
            raise refused("an ID token signed with an unknown key")
        return found

    async def _fetch_keys(self, known: _Metadata) -> None:
        answer = await self.fetcher.get(known.jwks)
        keys = answer.body.get("keys")
        if answer.status != _OK or not isinstance(keys, list):
            raise down("the keys cannot be had")
        self._keys = [key for key in keys if isinstance(key, dict)]
        self._keys_at = self._clock.now()


class OidcProviders(Providers):
    def __init__(
        self,
        clients: Sequence[OidcClient],
        clock: Clock,
        *,
        development: bool,
        patience: float = PATIENCE,
    ) -> None:
        self._all = tuple(Provider(one.name, one.title) for one in clients)
        self._by_name = {
            one.name: _OneProvider(
                one,
                Fetcher(clock, development=development, patience=patience),
                clock,
                development=development,
            )
            for one in clients
        }

    def all(self) -> tuple[Provider, ...]:
        return self._all

    async def address(self, name: str, asking: Asking) -> str:
        return await self._one(name).address(asking)

    async def redeem(self, name: str, asking: Asking, code: str, issuer: str | None) -> Claimed:
        return await self._one(name).redeem(asking, code, issuer)

    def _one(self, name: str) -> _OneProvider:
        found = self._by_name.get(name)
        if found is None:
            raise ProviderNotFound("Nobody can sign in with that here.")
        return found

    async def close(self) -> None:
        for one in self._by_name.values():
            await one.fetcher.close()
