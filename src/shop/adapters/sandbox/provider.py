"""The sandbox gateway, for dishka."""

from dishka import Provider, Scope, alias, provide

from shop.adapters.sandbox.checkup import SandboxCheckup
from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.sandbox.webhooks import SandboxWebhooks
from shop.ports.checkup import GatewayCheckup
from shop.ports.payments import Gateway
from shop.ports.sandbox import SandboxBooks
from shop.ports.system import Clock, Ids, Secrets


class SandboxPayments(Provider):
    """`webhook_url` is where this very process (or its API) takes webhooks."""

    scope = Scope.APP

    def __init__(self, site_url: str, webhook_url: str) -> None:
        super().__init__()
        self._site_url = site_url
        self._webhook_url = webhook_url

    @provide
    async def sandbox(
        self, books: SandboxBooks, clock: Clock, ids: Ids, secrets: Secrets
    ) -> SandboxGateway:
        return SandboxGateway(
            books,
            clock,
            ids,
            site_url=self._site_url,
            key_secret=await secrets.get("sandbox-key"),
            webhook_secret=await secrets.get("sandbox-webhook"),
        )

    gateway = alias(source=SandboxGateway, provides=Gateway)

    @provide
    def checkup(self) -> GatewayCheckup:
        return SandboxCheckup()

    @provide
    def webhooks(
        self, books: SandboxBooks, gateway: SandboxGateway, clock: Clock, ids: Ids
    ) -> SandboxWebhooks:
        return SandboxWebhooks(books, gateway, clock, ids, self._webhook_url)
