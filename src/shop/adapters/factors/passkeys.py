"""Passkeys by the webauthn package."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from shop.core.users.factors import Passkey, PasskeyRefused
from shop.core.users.model import User
from shop.ports.factors import NewPasskey, PasskeyCeremonies, Shown

T = TypeVar("T")

#: How long the browser waits for a person to find their key.
_TIMEOUT_MS = 300_000
_TRANSPORTS = {one.value for one in AuthenticatorTransport}


class WebauthnPasskeys(PasskeyCeremonies):
    """Keys are bound to the site's host name; answers count only from its own pages."""

    def __init__(self, site_url: str, shop_name: str) -> None:
        self._origin = site_url
        self._site = urlsplit(site_url).hostname or "localhost"
        self._shop_name = shop_name

    def creation(self, user: User, challenge: bytes, known: tuple[Passkey, ...]) -> dict[str, Any]:
        options = webauthn.generate_registration_options(
            rp_id=self._site,
            rp_name=self._shop_name,
            user_id=user.id.bytes,
            user_name=user.email.written,
            user_display_name=user.name,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_described(known),
        )
        return _plain(options)

    def created(self, answer: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        made = _refused_or(
            lambda: webauthn.verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origin,
            )
        )
        return NewPasskey(
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            transports=_transports(answer),
        )

    def request(
        self, challenge: bytes, known: tuple[Passkey, ...], *, alone: bool
    ) -> dict[str, Any]:
        options = webauthn.generate_authentication_options(
            rp_id=self._site,
            challenge=challenge,
            timeout=_TIMEOUT_MS,
            allow_credentials=_described(known),
            user_verification=UserVerificationRequirement.REQUIRED
            if alone
            else UserVerificationRequirement.PREFERRED,
        )
        return _plain(options)

    def shown(self, answer: Mapping[str, Any]) -> Shown:
        parsed = _refused_or(lambda: parse_authentication_credential_json(dict(answer)))
        return Shown(credential_id=parsed.raw_id, user_handle=parsed.response.user_handle)

    def asserted(
        self, answer: Mapping[str, Any], challenge: bytes, passkey: Passkey, *, alone: bool
    ) -> int:
        verified = _refused_or(
            lambda: webauthn.verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=alone,
            )
        )
        if verified.credential_id != passkey.credential_id:
            raise PasskeyRefused("This answer is of another passkey.")
        return verified.new_sign_count


def _refused_or(verify: Callable[[], T]) -> T:
    try:
        return verify()
    except Exception:  # noqa: BLE001 - strangers write what is parsed here, in three formats
        raise PasskeyRefused("This passkey's answer cannot be accepted.") from None


def _described(known: tuple[Passkey, ...]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id,
            transports=[AuthenticatorTransport(name) for name in one.transports] or None,
        )
        for one in known
    ]


def _transports(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """How the browser may reach the key again; what this version does not know is left out."""
    given = answer["response"].get("transports") or ()
    return tuple(one for one in given if isinstance(one, str) and one in _TRANSPORTS)


def _plain(options: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return made
