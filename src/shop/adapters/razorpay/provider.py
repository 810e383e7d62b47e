"""Razorpay, for dishka."""

from collections.abc import Iterator

from dishka import Provider, Scope, provide

from shop.adapters.razorpay.breaker import Breaker
from shop.ports.checkup import GatewayCheckup
from shop.ports.payments import Gateway
from shop.ports.system import Clock


class RazorpayPayments(Provider):
    """`webhook_secrets` are the present one and those that may still be in use."""

    scope = Scope.APP

    def __init__(
        self, key_id: str, key_secret: str, webhook_secrets: tuple[str, ...], url: str
    ) -> None:
        super().__init__()
        self._key_id = key_id
        self._key_secret = key_secret
        self._webhook_secrets = tuple(secret.encode() for secret in webhook_secrets)
        self._url = url

    @provide
    def breaker(self, clock: Clock) -> Breaker:
        return Breaker(clock)

    @provide
    def gateway(self, breaker: Breaker, clock: Clock) -> Iterator[Gateway]:
        # The SDK takes a third of a second to load: only for who uses it.
        from shop.adapters.razorpay.gateway import RazorpayGateway
        from shop.adapters.razorpay.line import Clients

        clients = Clients(self._key_id, self._key_secret, self._url)
        yield RazorpayGateway(
            clients,
            breaker,
            clock,
            key_secret=self._key_secret.encode(),
            webhook_secrets=self._webhook_secrets,
        )
        clients.close()

    @provide
    def checkup(self) -> Iterator[GatewayCheckup]:
        from shop.adapters.razorpay.checkup import RazorpayCheckup
        from shop.adapters.razorpay.line import Clients

        clients = Clients(self._key_id, self._key_secret, self._url, threads=1)
        yield RazorpayCheckup(clients, self._key_id, self._url)
        clients.close()
