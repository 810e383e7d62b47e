"""Providers to sign in with that answer as a test says."""

from urllib.parse import urlencode

from shop.core.users.linked import ProviderDown, ProviderNotFound, SocialRefused
from shop.ports.social import Asking, Claimed, Provider, Providers


class ScriptedProviders(Providers):
    """Knows who stands behind each code: `codes["a code"] = Claimed(…)`, once."""

    def __init__(self, *known: Provider) -> None:
        self._known = {one.name: one for one in known}
        self.codes: dict[str, Claimed] = {}
        self.is_down = False
        self.asked: list[Asking] = []

    def all(self) -> tuple[Provider, ...]:
        return tuple(self._known.values())

    async def address(self, name: str, asking: Asking) -> str:
        self._check(name)
        self.asked.append(asking)
        return f"https://{name}.example/authorize?{urlencode({'state': asking.state})}"

    async def redeem(self, name: str, asking: Asking, code: str, issuer: str | None) -> Claimed:
        self._check(name)
        claimed = self.codes.pop(code, None)
        if claimed is None or issuer not in {None, claimed.issuer}:
            raise SocialRefused("The answer of the service could not be verified.")
        if all(one.verifier != asking.verifier for one in self.asked):
            raise SocialRefused("The answer of the service could not be verified.")
        return claimed

    def _check(self, name: str) -> None:
        if name not in self._known:
            raise ProviderNotFound("Nobody can sign in with that here.")
        if self.is_down:
            raise ProviderDown("The service cannot be reached right now.", cause="as told")
