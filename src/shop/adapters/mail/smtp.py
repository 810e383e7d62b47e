"""Mail by SMTP, on connections that are kept for a while."""

import asyncio
import ssl
from contextlib import suppress
from email.errors import MessageError
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPStatus,
)
from msgspec import Struct

from shop.adapters.mail.message import as_bytes, recipient_of, sender_of
from shop.core.notifications.model import Email
from shop.ports.mail import MailTransport, NotSent

#: Seconds: for one command, and for a whole mail with its connection. A batch that has to share
#: the connections still ends before its mails count as left in doubt.
COMMAND = 8.0
WHOLE = 20.0
#: So long nobody else tries a server that could not be reached.
REST = 2.0
#: A connection that rested longer may be dead without a word; servers hang up after minutes.
_FRESH = 20.0
_FOR_GOOD = 500
_LONGEST_REASON = 300


class SmtpServer(Struct, frozen=True):
    """`tls`: from the first byte; else `starttls` before anything else, unless it is off."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: bool = False
    starttls: bool = True

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


def server_of(url: str) -> SmtpServer:
    """From `smtp://user:password@host:587?starttls=required` or `smtps://…`."""
    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    options = parse_qs(parts.query)
    return SmtpServer(
        host=parts.hostname or "",
        port=parts.port or (465 if tls else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
        starttls=not tls and options.get("starttls", ["required"]) != ["never"],
    )


class _Unreachable(Exception):
    """No connection could be made; the text may be stored."""


class SmtpMail(MailTransport):
    """`domain` makes the Message-IDs ours. At most `connections` are open at a time."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        domain: str,
        connections: int = 4,
        context: ssl.SSLContext | None = None,
        command: float = COMMAND,
        whole: float = WHOLE,
        rest: float = REST,
    ) -> None:
        self._server = server
        self._domain = domain
        self._context = context or ssl.create_default_context()
        self._command = command
        self._whole = whole
        self._rest_of_all = rest
        self._places = asyncio.Semaphore(connections)
        self._resting: list[tuple[SMTP, float]] = []  # the one used last is at the end
        self._down: tuple[str, float] | None = None

    async def send(self, email: Email) -> None:
        async with self._places:
            handed = _Handing()
            try:
                async with asyncio.timeout(self._whole):
                    await self._send(email, handed)
            except _Unreachable as error:
                raise NotSent(str(error)) from error
            except (ValueError, MessageError) as error:
                raise NotSent(f"This mail cannot be written: {error}", for_good=True) from error
            except SMTPResponseException as error:
                raise _refusal(error) from error
            except (SMTPException, OSError, TimeoutError) as error:
                # Without an answer to the whole mail, the server may have taken it or not.
                reason = f"The mail server broke off ({type(error).__name__})"
                raise NotSent(reason, in_doubt=handed.over) from error

    async def greet(self) -> None:
        """Connect, sign in and leave, without a mail. Raises `NotSent`."""
        try:
            await _leave(await self._connect())
        except _Unreachable as error:
            raise NotSent(str(error)) from error

    async def close(self) -> None:
        resting, self._resting = self._resting, []
        await asyncio.gather(*(_leave(client) for client, _ in resting))

    async def _send(self, email: Email, handed: "_Handing") -> None:
        client, used = await self._connection()
        try:
            try:
                await self._hand_over(client, email, handed)
            except (SMTPException, OSError) as error:
                if not used or handed.over or isinstance(error, SMTPResponseException):
                    raise
                client.close()  # it had been dropped while it rested: nothing was said yet
                client = await self._connect()
                await self._hand_over(client, email, handed)
        except SMTPResponseException as error:
            await self._after_refusal(client, error)
            raise
        except BaseException:
            client.close()
            raise
        self._rest(client)

    async def _hand_over(self, client: SMTP, email: Email, handed: "_Handing") -> None:
        sender, to = sender_of(email).addr_spec, recipient_of(email).addr_spec
        utf8 = not (sender + to).isascii()
        if utf8 and not client.supports_extension("smtputf8"):
            raise ValueError("the server takes no such address")
        eight_bit = client.supports_extension("8bitmime")
        options = ["BODY=8BITMIME"] * eight_bit + ["SMTPUTF8"] * utf8
        encoding = "utf-8" if utf8 else "ascii"
        content = as_bytes(email, self._domain, eight_bit=eight_bit)
        await client.mail(sender, options=options, encoding=encoding)
        await client.rcpt(to, encoding=encoding)
        handed.over = True
        await client.data(content)

    # --- connections ----------------------------------------------------------------------------

    async def _connection(self) -> tuple[SMTP, bool]:
        """A connection, and whether it was used before."""
        now = asyncio.get_running_loop().time()
        old = [client for client, since in self._resting if now - since > _FRESH]
        self._resting = [one for one in self._resting if now - one[1] <= _FRESH]
        for client in old:
            client.close()
        while self._resting:
            client, _ = self._resting.pop()
            if client.is_connected:
                return client, True
            client.close()
        return await self._connect(), False

    async def _connect(self) -> SMTP:
        now = asyncio.get_running_loop().time()
        if self._down is not None and now < self._down[1]:
            raise _Unreachable(self._down[0])
        self._down = None
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.tls,
            start_tls=False if server.tls else server.starttls,
            tls_context=self._context,
            local_hostname=self._domain,
            timeout=self._command,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _introduce(client)
        except BaseException as error:
            client.close()
            if not isinstance(error, SMTPException | OSError):
                raise
            reason = _why_unreachable(server, error)
            self._down = reason, asyncio.get_running_loop().time() + self._rest_of_all
            raise _Unreachable(reason) from error
        return client

    def _rest(self, client: SMTP) -> None:
        self._resting.append((client, asyncio.get_running_loop().time()))

    async def _after_refusal(self, client: SMTP, error: SMTPResponseException) -> None:
        """Who says 421 hangs up; to the others the next mail may be given."""
        try:
            if error.code == SMTPStatus.domain_unavailable:  # 421 of RFC 5321: it hangs up
                client.close()
            else:
                await client.rset()
                self._rest(client)
        except (SMTPException, OSError):
            client.close()


class _Handing:
    """Whether the content itself was on its way."""

    over = False


def _refusal(error: SMTPResponseException) -> NotSent:
    """A refused recipient or content stays refused; all else may be a matter of settings."""
    text = " ".join(f"{error.code} {error.message}".split())[:_LONGEST_REASON]
    of_this_mail = isinstance(error, SMTPRecipientRefused | SMTPDataError)
    return NotSent(text, for_good=of_this_mail and error.code >= _FOR_GOOD)


def _why_unreachable(server: SmtpServer, error: BaseException) -> str:
    place = f"{server.host}:{server.port}"
    if isinstance(error, SMTPAuthenticationError):
        return f"{place} does not take our user and password ({error.code})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{place} shows a certificate that cannot be trusted ({error.verify_message})"
    if isinstance(error, SMTPResponseException):
        return f"{place} turns us away ({error.code})"
    if isinstance(error, OSError) and error.strerror:
        return f"{place} cannot be reached ({error.strerror})"
    said = " ".join(str(error).split())[:_LONGEST_REASON]
    return f"{place} cannot be used ({said or type(error).__name__})"


async def _introduce(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        await client.helo()


async def _leave(client: SMTP) -> None:
    with suppress(SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await client.quit()
    client.close()
