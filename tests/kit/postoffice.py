"""A mail server in this process, which can be told to be difficult."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.kit.process import free_port

USER, WORD = "shop", "a:b@c/ d"


class PostOffice:
    """Keeps what it took. `refuse` maps a command to the answers it gives first, in order;
    "drop" instead of an answer breaks the connection."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.connections = 0
        self.said: list[str] = []
        self.refuse: dict[str, list[str]] = {}
        self.seven_bit = False
        self.silent = False  # once it has taken a mail
        self._talks: set[Any] = set()
        self._server: asyncio.Server | None = None
        self._how: dict[str, Any] = {}

    # --- what aiosmtpd asks ---------------------------------------------------------------------

    async def handle_EHLO(  # noqa: N802 - its name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if not self.seven_bit:
            return responses
        return [line for line in responses if "8BITMIME" not in line]

    async def handle_MAIL(  # noqa: N802 - its name
        self, server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if no := self._refusal("MAIL", server):
            return no
        if self.seven_bit and options:
            return f"555 5.5.4 What is {options[0]}?"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - its name
        self, server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if no := self._refusal("RCPT", server):
            return no
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if "take and drop" in self.refuse.get("DATA", [])[:1]:
            self._take(envelope)
        if no := self._refusal("DATA", server):
            return no
        if self.seven_bit and not envelope.content.isascii():
            return "554 5.6.1 Eight bits"
        self._take(envelope)
        if self.silent:
            await asyncio.Event().wait()
        return "250 Taken"

    def _take(self, envelope: Any) -> None:
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))

    def _refusal(self, command: str, server: Any) -> str | None:
        self.said.append(command)
        waiting = self.refuse.get(command, [])
        if not waiting:
            return None
        answer = waiting.pop(0)
        if answer.endswith("drop"):
            server.transport.abort()
        return answer

    # --- opening hours --------------------------------------------------------------------------

    async def open(self, **how: Any) -> None:
        self._how = how or self._how
        loop = asyncio.get_running_loop()

        def talk() -> SMTP:
            self.connections += 1
            given = {name: value for name, value in self._how.items() if name != "ssl"}
            one = _Talk(self, hostname="post.example", timeout=20, **given)
            self._talks.add(one)
            return one

        self._server = await loop.create_server(
            talk, "localhost", self.port, ssl=self._how.get("ssl")
        )

    def hang_up(self) -> None:
        """Ends all connections without a word."""
        for one in list(self._talks):
            if one.transport is not None:
                one.transport.abort()
        self._talks.clear()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.hang_up()
        await asyncio.sleep(0)


class _Talk(SMTP):
    def __init__(self, office: PostOffice, **how: Any) -> None:
        super().__init__(office, **how)
        self._office = office


def knows_us(_: Any, __: Any, ___: Any, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (USER.encode(), WORD.encode())
    return AuthResult(success=right, handled=right)


@asynccontextmanager
async def post_office(**how: Any) -> AsyncIterator[PostOffice]:
    office = PostOffice()
    await office.open(**how)
    try:
        yield office
    finally:
        await office.close()
