"""A mail on its way."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from shop.adapters.factors.vault import AesVault
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import (
    LONGEST_SENDING,
    MOST_TRIES,
    UNKNOWN_END,
    Email,
    EmailFailed,
    EmailSent,
    EmailStatus,
)
from shop.core.notifications.sealing import SealedLinks
from shop.ports.vault import VaultShut

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MAIL = Email(
    id=EmailId(UUID(int=1)),
    dedupe="test:1",
    to="asha@example.com",
    sender="shop@example.com",
    subject="Hello",
    text="",
    html="",
    created_at=NOON,
    next_try_at=NOON,
)


def test_a_mail_that_went_is_done() -> None:
    sent, fact = MAIL.went(NOON)
    assert (sent.status, sent.attempts, sent.next_try_at) == (EmailStatus.SENT, 1, None)
    assert isinstance(fact, EmailSent)


def test_a_mail_that_went_keeps_no_link_that_opens_an_account() -> None:
    link = "https://shop.example/reset-password?token=ab_c-d"
    order = "https://shop.example/orders/A1?token=xyz"
    mail = replace(MAIL, text=f"{link}\n{order}", html=f'<a href="{link}">')
    assert mail.missed("no", NOON, 0.5)[0].text == mail.text  # it is still to be sent
    sent, _ = mail.went(NOON)
    assert "ab_c-d" not in sent.text + sent.html
    assert order in sent.text
    assert sent.html == '<a href="https://shop.example/reset-password?token=...">'


def test_a_secret_lies_sealed_while_its_mail_waits() -> None:
    link = "https://shop.example/reset-password?token=ab_c-d"
    order = "https://shop.example/orders/A1?token=xyz"
    links = SealedLinks(AesVault(bytes(32), Uuid7()))
    mail = replace(MAIL, text=f"{link}\n{order}", html=f'<a href="{link}">')
    sealed = links.seal(mail)
    assert "ab_c-d" not in sealed.text + sealed.html
    assert order in sealed.text
    assert links.open(sealed) == mail
    assert links.open(mail) == mail  # as former versions stored it
    assert sealed.hushed() == mail.hushed()
    with pytest.raises(VaultShut):  # as the text of another mail it says nothing
        links.open(replace(sealed, id=EmailId(UUID(int=9))))


@pytest.mark.parametrize(
    "name", ["/reset-password?token=~A", "/verify-email?token=~AAAA", "token=~"]
)
def test_a_name_that_looks_like_a_sealed_link_holds_no_mail_up(name: str) -> None:
    links = SealedLinks(AesVault(bytes(32), Uuid7()))
    mail = replace(MAIL, text=f"Hello {name},", html=f"<p>Hello {name},")
    assert links.open(links.seal(mail)) == mail


def test_a_mail_whose_secret_is_gone_is_not_sent_again() -> None:
    link = "https://shop.example/verify-email?token=ab_c-d"
    mail = replace(MAIL, text=link)
    assert not mail.spent
    assert mail.went(NOON)[0].spent
    assert not MAIL.went(NOON)[0].spent


def test_pauses_grow_and_are_spread() -> None:
    early, _ = MAIL.missed("no", NOON, 0.0)
    late, _ = MAIL.missed("no", NOON, 1.0)
    again, _ = late.missed("no", NOON, 1.0)
    assert early.next_try_at == NOON + timedelta(seconds=7.5)
    assert late.next_try_at == NOON + timedelta(seconds=15)
    assert again.next_try_at == NOON + timedelta(seconds=30)


def test_after_too_many_tries_it_has_failed() -> None:
    mail, facts = MAIL, []
    for _ in range(MOST_TRIES):
        mail, fact = mail.missed("no", NOON, 1.0)
        facts.append(fact)
    assert facts[:-1] == [None] * (MOST_TRIES - 1)
    assert isinstance(facts[-1], EmailFailed)
    assert (mail.status, mail.next_try_at, mail.error) == (EmailStatus.FAILED, None, "no")


def test_what_can_never_be_sent_fails_at_once() -> None:
    failed, fact = MAIL.missed("no address", NOON, 0.5, for_good=True)
    assert failed.status is EmailStatus.FAILED
    assert isinstance(fact, EmailFailed)
    assert failed.again(NOON).status is EmailStatus.QUEUED


def test_a_mail_that_leaves_says_so_and_is_due_again_when_nobody_can_be_at_it() -> None:
    leaving, fact = MAIL.leaves(NOON)
    assert (leaving.status, fact) == (EmailStatus.SENDING, None)
    assert leaving.next_try_at == NOON + LONGEST_SENDING
    assert leaving.went(NOON)[0].status is EmailStatus.SENT
    assert leaving.missed("451", NOON, 1.0)[0].status is EmailStatus.QUEUED
    assert leaving.missed("550", NOON, 1.0, for_good=True)[0].status is EmailStatus.FAILED


def test_a_mail_in_doubt_leaves_once_more_and_then_waits_for_people() -> None:
    leaving, _ = MAIL.leaves(NOON)
    again, _ = leaving.leaves(NOON)
    assert again.status is EmailStatus.RESENDING
    given_up, fact = again.leaves(NOON)
    assert (given_up.status, given_up.next_try_at) == (EmailStatus.FAILED, None)
    assert given_up.error == UNKNOWN_END
    assert isinstance(fact, EmailFailed)
    assert given_up.again(NOON).leaves(NOON)[0].status is EmailStatus.SENDING


def test_a_connection_that_broke_off_counts_as_doubt() -> None:
    leaving, _ = MAIL.leaves(NOON)
    doubtful, fact = leaving.missed("broke off", NOON, 1.0, in_doubt=True)
    assert (doubtful.status, doubtful.attempts, fact) == (EmailStatus.SENDING, 1, None)
    assert doubtful.next_try_at == NOON + timedelta(seconds=15)
    again, _ = doubtful.leaves(NOON)
    given_up, fact = again.missed("broke off", NOON, 1.0, in_doubt=True)
    assert (given_up.status, given_up.error) == (EmailStatus.FAILED, UNKNOWN_END)
    assert isinstance(fact, EmailFailed)
    refused, _ = again.missed("451 later", NOON, 1.0)
    assert refused.status is EmailStatus.QUEUED  # that it was not taken is known now
