"""Programs that people let into their account: who they are, and where they may be answered."""

import re
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.access import Permission, Scope
from shop.core.kernel.errors import Denied, Invalid, Malformed, NotFound, Unauthenticated
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.model import FIRST_PARTY, GrantInvalid

#: What a program may ask for on behalf of a person.
PERSONAL = frozenset(Scope) - {Scope.SHOP}
#: Permissions open the back office to a program; none lets it give power to others.
WORKING = frozenset(Permission) - {Permission.USERS_WRITE, Permission.CLIENTS_WRITE}
#: All that a program may be registered for.
OFFERED: frozenset[str] = frozenset(PERSONAL | WORKING)

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_LONGEST = 1000
_MOST = 20
_NAME = 100


class ClientNotFound(NotFound):
    code = "client-not-found"


class RedirectUnknown(Invalid):
    """Nobody is ever sent there."""

    code = "redirect-uri-unknown"


class ClientInvalid(Unauthenticated):
    """An unknown client, or one that did not prove who it is."""

    code = "invalid-client"


class ClientUnauthorized(Denied):
    code = "unauthorized-client"


class ScopeInvalid(Invalid):
    code = "invalid-scope"


class Client(Struct, frozen=True, kw_only=True):
    """One without a secret is public: it runs where it could keep none."""

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    scope: frozenset[str] = frozenset()
    secret_hash: bytes | None = None
    created_at: datetime

    def __repr__(self) -> str:
        return f"Client({self.id})"

    @property
    def public(self) -> bool:
        return self.secret_hash is None

    def register(self) -> "Client":
        """Raises `Malformed` for what no client may be."""
        if not 0 < len(self.name.strip()) <= _NAME or not self.name.isprintable():
            raise Malformed(f"A name has 1 to {_NAME} characters, in one line.", field="name")
        if len(self.redirect_uris) > _MOST:
            raise Malformed(f"{_MOST} redirect URIs are enough.", field="redirect_uri")
        for uri in self.redirect_uris:
            _check_redirect(uri, public=self.public)
        unknown = sorted(self.scope - OFFERED)
        if unknown:
            known = ", ".join(sorted(OFFERED))
            raise Malformed(f"There is no scope {unknown[0]}; known are {known}.", field="scope")
        return self

    def knows(self, secret: str | None) -> bool:
        """Whether it proved who it is; a public client has nothing to prove."""
        if self.secret_hash is None or secret is None:
            return self.secret_hash is None and secret is None
        return compare_digest(self.secret_hash, hashed(secret))

    def answers_at(self, uri: str) -> bool:
        """Exactly a registered address. Only a program on the person's own machine, registered at
        a loopback address without a port, may choose the port (RFC 8252, section 7.3)."""
        if uri in self.redirect_uris:
            return True
        without = _without_port(uri) if self.public else None
        return without is not None and without in self.redirect_uris

    def granted(self, asked: frozenset[str], offered: frozenset[str]) -> frozenset[str]:
        """What it gets of what it asks for; all it is registered for when it names nothing.

        Raises `ScopeInvalid` when nothing is left.
        """
        mine = self.scope & offered
        if not asked:
            return mine
        if not asked & mine:
            raise ScopeInvalid("This client is not registered for any of these scopes.")
        return asked & mine


#: The shop's own client, which signs people in by `/login` and needs nobody's consent.
SHOP_CLIENT = Client(
    id=FIRST_PARTY,
    name="Shop",
    scope=frozenset({Scope.SHOP}),
    created_at=datetime.min,  # noqa: DTZ901 - before all others
)


class AuthorizationCode(Struct, frozen=True, kw_only=True):
    """What somebody consented to, kept by the SHA-256 of the code until it is swapped for tokens.

    `granted_in` is the session of the browser, `session_id` the one that the code began.
    """

    LASTS: ClassVar[timedelta] = timedelta(seconds=60)

    hash: bytes
    client_id: str
    user_id: UserId
    granted_in: SessionId
    redirect_uri: str
    challenge: str
    scope: frozenset[str]
    nonce: str
    created_at: datetime
    expires_at: datetime
    session_id: SessionId | None = None

    def __repr__(self) -> str:
        return f"AuthorizationCode({self.client_id})"

    def swap(
        self, redirect_uri: str, challenge: str, session_id: SessionId, at: datetime
    ) -> "AuthorizationCode":
        """Use it up for a session. Raises `GrantInvalid` unless all is as it was asked for."""
        if at >= self.expires_at:
            raise GrantInvalid("This code has expired.")
        if redirect_uri != self.redirect_uri:
            raise GrantInvalid("redirect_uri is not the one that the code was sent to.")
        if not compare_digest(challenge.encode(), self.challenge.encode()):
            raise GrantInvalid("code_verifier does not fit the code_challenge.")
        return replace(self, session_id=session_id)


def is_client_id(text: str) -> bool:
    """Whether it could be one: nothing else is looked for."""
    return _ID.fullmatch(text) is not None


def hashed(secret: str) -> bytes:
    """Codes and client secrets are 256 random bits: a fast hash is enough."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _check_redirect(uri: str, *, public: bool) -> None:
    """Raises `Malformed` for an address at which an answer would not be safe."""
    parts = _parts(uri)
    plain = uri.isascii() and uri.isprintable() and not set(' "<>\\^`{|}') & set(uri)
    if parts is None or not plain or len(uri) > _LONGEST or parts.fragment or "#" in uri:
        raise Malformed("A redirect URI is a whole URL without a fragment.", field="redirect_uri")
    if parts.scheme in {"http", "https"}:
        local = parts.hostname in {*_LOOPBACK, "localhost"}
        if not parts.hostname or "@" in parts.netloc or (parts.scheme == "http" and not local):
            raise Malformed(
                "A redirect URI is https://, or http:// on this machine (127.0.0.1).",
                field="redirect_uri",
            )
    elif not (public and "." in parts.scheme and not parts.netloc):
        raise Malformed(
            "Only public clients have a scheme of their own, named after a domain: com.example:/.",
            field="redirect_uri",
        )


def _without_port(uri: str) -> str | None:
    """A loopback address without its port; None for any other."""
    parts = _parts(uri)
    if parts is None or parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.port is None or parts.netloc != f"{host}:{parts.port}":
        return None
    return uri.replace(parts.netloc, host, 1)


def _parts(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    return parts if parts.scheme and port != 0 else None
