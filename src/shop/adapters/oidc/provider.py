"""The OpenID providers, for dishka."""

from collections.abc import AsyncIterator, Sequence

from dishka import Provider, Scope, provide

from shop.adapters.oidc.providers import OidcClient, OidcProviders
from shop.ports.social import Providers
from shop.ports.system import Clock


class SocialProviders(Provider):
    scope = Scope.APP

    def __init__(self, clients: Sequence[OidcClient], *, development: bool) -> None:
        super().__init__()
        self._clients = clients
        self._development = development

    @provide
    async def providers(self, clock: Clock) -> AsyncIterator[Providers]:
        made = OidcProviders(self._clients, clock, development=self._development)
        yield made
        await made.close()
