"""OAuth's words, as Authlib writes and reads them. Import it where it is used: it is dear."""

from collections.abc import Mapping

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN, create_s256_code_challenge


def basic(authorization: str) -> tuple[str, str] | None:
    """Client and secret of a Basic header; None when it cannot be read."""
    try:
        name, secret = extract_basic_authorization({"Authorization": authorization})
    except ValueError:
        return None
    return None if name is None or secret is None else (name, secret)


def challenge_of(verifier: str) -> str | None:
    """The S256 challenge; None for a verifier that RFC 7636 does not allow."""
    if not CODE_VERIFIER_PATTERN.fullmatch(verifier):
        return None
    challenge: str = create_s256_code_challenge(verifier)
    return challenge


def with_answer(uri: str, answer: Mapping[str, str]) -> str:
    """The address with the answer in its query."""
    whole: str = add_params_to_uri(uri, answer)
    return whole
