"""Whether a mail server takes us in, for the doctor."""

from shop.adapters.mail.smtp import SmtpMail
from shop.ports.checkup import MailCheckup, Unwell
from shop.ports.mail import NotSent


class SmtpCheckup(MailCheckup):
    def __init__(self, mail: SmtpMail, place: str) -> None:
        self._mail = mail
        self._place = place

    async def examine(self) -> str:
        try:
            await self._mail.greet()
        except NotSent as error:
            raise Unwell(
                str(error), "see that the mail server runs, and SHOP_MAIL_URL with its password"
            ) from error
        return self._place
