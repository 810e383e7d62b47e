"""What checks second factors, for dishka."""

import asyncio

from dishka import Provider, Scope, provide

from shop.adapters.factors.vault import KEY, AesVault
from shop.ports.factors import OneTimeCodes, PasskeyCeremonies
from shop.ports.system import Ids, Secrets
from shop.ports.vault import Vault


class FactorChecks(Provider):
    scope = Scope.APP

    def __init__(self, site_url: str, shop_name: str) -> None:
        super().__init__()
        self._site_url = site_url
        self._shop_name = shop_name

    @provide
    async def vault(self, secrets: Secrets, ids: Ids) -> Vault:
        return AesVault(await secrets.get("second-factors", KEY), ids)

    @provide
    def codes(self) -> OneTimeCodes:
        from shop.adapters.factors.codes import OtpCodes

        return OtpCodes(self._shop_name)

    @provide
    async def passkeys(self) -> PasskeyCeremonies:
        return await asyncio.to_thread(_passkeys, self._site_url, self._shop_name)


def _passkeys(site_url: str, shop_name: str) -> PasskeyCeremonies:
    from shop.adapters.factors.passkeys import WebauthnPasskeys

    return WebauthnPasskeys(site_url, shop_name)
