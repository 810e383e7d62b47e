"""Clock, ids and event envelopes, for dishka."""

from collections.abc import Iterator

from dishka import Provider, Scope, provide

from shop.adapters.system.clock import SystemClock, Uuid7
from shop.adapters.system.cloudevents import CloudEvents
from shop.adapters.system.emails import ValidatedAddresses
from shop.adapters.system.guessing import ZxcvbnGuessing
from shop.adapters.system.passwords import Argon2Passwords
from shop.adapters.system.tokens import JoseTokens
from shop.core.users.model import IdentityRules
from shop.ports.clients import SigningKeys
from shop.ports.outbox import Sealer
from shop.ports.system import Clock, Ids, Secrets
from shop.ports.users import EmailAddresses, Guessing, Passwords, Tokens


class System(Provider):
    scope = Scope.APP

    def __init__(self, site_url: str) -> None:
        super().__init__()
        self._site_url = site_url

    @provide
    def clock(self) -> Clock:
        return SystemClock()

    @provide
    def ids(self) -> Ids:
        return Uuid7()

    @provide
    def sealer(self, ids: Ids) -> Sealer:
        return CloudEvents(ids, self._site_url)


class Identity(Provider):
    """Passwords, access tokens and e-mail addresses."""

    scope = Scope.APP

    def __init__(
        self,
        site_url: str,
        *,
        memory_kib: int,
        time_cost: int,
        parallelism: int,
        threads: int,
        queue: int,
    ) -> None:
        super().__init__()
        self._site_url = site_url
        self._memory_kib = memory_kib
        self._time_cost = time_cost
        self._parallelism = parallelism
        self._threads = threads
        self._queue = queue

    @provide
    def passwords(self) -> Iterator[Passwords]:
        passwords = Argon2Passwords(
            memory_kib=self._memory_kib,
            time_cost=self._time_cost,
            parallelism=self._parallelism,
            threads=self._threads,
            queue=self._queue,
        )
        yield passwords
        passwords.close()

    @provide
    def guessing(self) -> Guessing:
        return ZxcvbnGuessing()

    @provide
    def tokens(
        self, secrets: Secrets, keys: SigningKeys, clock: Clock, rules: IdentityRules
    ) -> Tokens:
        url = self._site_url
        return JoseTokens(secrets, keys, clock, issuer=url, audience=url, lasts=rules.access_lasts)

    @provide
    def emails(self) -> EmailAddresses:
        return ValidatedAddresses()
