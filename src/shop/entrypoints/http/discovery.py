"""Tells clients by themselves what the OAuth server can do (RFC 8414, OpenID Connect Discovery)."""

from litestar import Controller, Response, get
from msgspec import Struct

from shop.core.users.clients import PERSONAL, WORKING
from shop.core.users.model import IdentityRules
from shop.entrypoints.http.served import Given, served

_KEPT = {"Cache-Control": "public, max-age=300"}
_PROOFS = ("client_secret_basic", "client_secret_post")

Names = tuple[str, ...]


class ServerMetadata(Struct, kw_only=True):
    """As in RFC 8414, section 2, and OpenID Connect Discovery, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    revocation_endpoint: str
    introspection_endpoint: str
    service_documentation: str
    scopes_supported: Names
    response_types_supported: Names = ("code",)
    response_modes_supported: Names = ("query",)
    grant_types_supported: Names = ("authorization_code", "refresh_token", "client_credentials")
    subject_types_supported: Names = ("public",)
    id_token_signing_alg_values_supported: Names = ("EdDSA",)
    token_endpoint_auth_methods_supported: Names = (*_PROOFS, "none")
    revocation_endpoint_auth_methods_supported: Names = (*_PROOFS, "none")
    introspection_endpoint_auth_methods_supported: Names = _PROOFS
    code_challenge_methods_supported: Names = ("S256",)
    prompt_values_supported: Names = ("none", "login", "consent", "select_account")
    claims_supported: Names = (
        *("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr"),
        *("name", "email", "email_verified"),
    )
    authorization_response_iss_parameter_supported: bool = True
    claims_parameter_supported: bool = False
    request_parameter_supported: bool = False
    request_uri_parameter_supported: bool = False

    @classmethod
    def of(cls, site: str) -> "ServerMetadata":
        return cls(
            issuer=site,
            authorization_endpoint=f"{site}/oauth2/authorize",
            token_endpoint=f"{site}/oauth2/token",
            userinfo_endpoint=f"{site}/oauth2/userinfo",
            jwks_uri=f"{site}/oauth2/jwks",
            revocation_endpoint=f"{site}/oauth2/revoke",
            introspection_endpoint=f"{site}/oauth2/introspect",
            service_documentation=f"{site}/docs",
            scopes_supported=tuple(sorted(PERSONAL | WORKING)),
        )


class DiscoveryController(Controller):
    path = "/.well-known"
    tags = ("OAuth 2",)

    @get("/oauth-authorization-server")
    @served
    async def oauth(self, rules: Given[IdentityRules]) -> Response[ServerMetadata]:
        """Where the OAuth endpoints are, and what they understand."""
        return Response(ServerMetadata.of(rules.site_url), headers=_KEPT)

    @get("/openid-configuration")
    @served
    async def openid(self, rules: Given[IdentityRules]) -> Response[ServerMetadata]:
        """The same by the name that OpenID Connect gives it."""
        return Response(ServerMetadata.of(rules.site_url), headers=_KEPT)
