from datetime import timedelta
from uuid import UUID

import pytest

from shop.core.kernel.access import Role
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.issuing import RefreshToken
from shop.core.users.model import (
    EmailAddress,
    GrantInvalid,
    IdentityRules,
    MailToken,
    Purpose,
    Session,
    TokenExpired,
    TokenInvalid,
    User,
)
from tests.kit.clock import NOON

SOON = NOON + timedelta(seconds=10)
DAYS = timedelta(days=30)
RULES = IdentityRules(site_url="http://shop", refresh_lasts=DAYS, session_lasts=2 * DAYS)
ASHA = User(
    id=UserId(UUID(int=1)),
    email=EmailAddress("asha@example.com", "asha@example.com"),
    name="Asha",
    password_hash="secret",
    created_at=NOON,
)
SESSION = Session(
    id=SessionId(UUID(int=2)),
    user_id=ASHA.id,
    refresh_hash=b"1",
    created_at=NOON,
    last_used_at=NOON,
    expires_at=NOON + DAYS,
)
LINK = MailToken(
    hash=b"h",
    user_id=ASHA.id,
    purpose=Purpose.RESET,
    email="asha@example.com",
    created_at=NOON,
    expires_at=SOON,
)


def test_nobody_sees_a_password_hash_by_printing_a_user() -> None:
    assert "secret" not in repr(ASHA)
    assert "secret" not in f"{RefreshToken(SESSION.id, b'secret')}"


def test_events_about_people_hold_ids_only() -> None:
    changed, fact = ASHA.change_email(EmailAddress("a@example.com", "a@example.com"), NOON)
    assert changed.email.written == "a@example.com"
    assert set(fact.__struct_fields__) == {"at", "user_id"}


def test_a_user_keeps_at_least_one_role() -> None:
    with pytest.raises(Malformed):
        ASHA.assign(frozenset(), NOON)
    changed, fact = ASHA.assign(frozenset({Role.STAFF, Role.ADMIN}), NOON)
    assert fact.roles == ("admin", "staff")
    assert changed.roles == {Role.STAFF, Role.ADMIN}


def test_proving_a_mailbox_twice_keeps_the_first_time() -> None:
    once, _ = ASHA.verify_email(NOON)
    twice, _ = once.verify_email(SOON)
    assert twice.verified_at == NOON


def test_the_token_before_the_last_swap_may_come_again_for_ten_seconds() -> None:
    swapped = SESSION.rotate(b"2", NOON, RULES)
    assert swapped.repeats(b"1", SOON)
    assert not swapped.repeats(b"1", SOON + timedelta(seconds=1))
    assert not swapped.rotate(b"3", NOON, RULES).repeats(b"1", NOON)
    assert not SESSION.repeats(b"1", NOON)


def test_each_use_puts_off_the_end_of_a_session_but_not_for_ever() -> None:
    used = SESSION.rotate(b"2", NOON + timedelta(days=20), RULES)
    assert used.expires_at == NOON + timedelta(days=50)
    later = used.rotate(b"3", NOON + timedelta(days=49), RULES)
    assert later.expires_at == NOON + timedelta(days=60)


def test_a_session_ends_once() -> None:
    ended, _ = SESSION.end("signed out", NOON)
    again, _ = ended.end("signed out", SOON)
    assert again.ended_at == NOON
    assert not ended.alive(NOON)
    assert SESSION.alive(NOON)
    assert not SESSION.alive(SESSION.expires_at)


def test_a_mailed_secret_works_once_in_time_and_for_its_purpose() -> None:
    used = LINK.use(Purpose.RESET, NOON)
    with pytest.raises(TokenExpired):
        used.use(Purpose.RESET, NOON)
    with pytest.raises(TokenExpired):
        LINK.use(Purpose.RESET, SOON)
    with pytest.raises(TokenInvalid):
        LINK.use(Purpose.VERIFY, NOON)


def test_the_successor_of_a_refresh_token_is_always_the_same_and_needs_the_key() -> None:
    token = RefreshToken(SESSION.id, b"s" * 32)
    assert RefreshToken.parse(token.text) == token
    assert token.next(b"key") == token.next(b"key")
    assert token.next(b"key") != token.next(b"other")
    assert token.next(b"key").hash != token.hash
    with pytest.raises(GrantInvalid):
        RefreshToken.parse(token.text[:-4])
