"""Letters become mails in the queue."""

from typing import NewType

from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email
from shop.core.notifications.sealing import SealedLinks
from shop.ports.mail import Emails, Letters
from shop.ports.notifications import Letter, Post
from shop.ports.system import Clock, Ids

#: Whom our mails come from: `Shop <shop@example.com>`.
Sender = NewType("Sender", str)


class QueuedPost(Post):
    """Words are chosen when the letter is queued, so that the mail says what was true then."""

    def __init__(
        self,
        emails: Emails,
        letters: Letters,
        ids: Ids,
        clock: Clock,
        sender: Sender,
        links: SealedLinks,
    ) -> None:
        self._emails = emails
        self._letters = letters
        self._ids = ids
        self._clock = clock
        self._sender = sender
        self._links = links

    async def queue(self, letter: Letter) -> None:
        await self._emails.add([self.compose(letter)])

    def compose(self, letter: Letter) -> Email:
        """The mail, not stored yet: a batch writes its mails outside the unit that stores them."""
        words = self._letters.render(letter.template, letter.data)
        now = self._clock.now()
        email = Email(
            id=EmailId(self._ids.new()),
            dedupe=letter.dedupe,
            to=letter.to,
            sender=self._sender,
            subject=words.subject,
            text=words.text,
            html=words.html,
            created_at=now,
            next_try_at=now,
            subject_id=letter.subject_id,
        )
        return self._links.seal(email)
