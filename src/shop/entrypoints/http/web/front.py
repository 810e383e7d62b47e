"""What all visits of browsers share."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

from dishka import AsyncContainer
from msgspec import Struct

from shop.core.checkout.terms import Terms
from shop.core.users.model import IdentityRules
from shop.entrypoints.actors.desks import CartDesk, CartWindow
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.served import HttpRequest
from shop.entrypoints.http.web.rendering import Look
from shop.ports.social import Provider, Providers
from shop.ports.system import Ids, Secrets


class Front(Struct, frozen=True):
    """What all visits share."""

    container: AsyncContainer
    authenticator: Authenticator
    look: Look
    ids: Ids
    cart_desk: CartDesk
    cart_window: CartWindow
    key: bytes
    shop_name: str
    site_url: str
    development: bool
    password_hint: str
    providers: tuple[Provider, ...]

    @property
    def secure(self) -> bool:
        return self.site_url.startswith("https:")

    @property
    def prefix(self) -> str:
        return "__Host-shop-" if self.secure else "shop-"

    def sign(self, text: str) -> str:
        digest = hmac.digest(self.key, text.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


async def front_of(request: HttpRequest) -> Front:
    state = request.app.state
    made: Front | None = state.get("front")
    if made is None:
        container: AsyncContainer = state.container
        rules = await container.get(IdentityRules)
        terms = await container.get(Terms)
        secrets = await container.get(Secrets)
        made = state.front = Front(
            container=container,
            authenticator=state.authenticator,
            look=state.look,
            ids=await container.get(Ids),
            cart_desk=await container.get(CartDesk),
            cart_window=await container.get(CartWindow),
            key=await secrets.get("storefront-forms"),
            shop_name=terms.shop_name,
            site_url=rules.site_url,
            development=rules.development,
            password_hint=(
                f"At least {rules.password_from} characters, one of them neither letter nor digit; "
                f"or {rules.passphrase_from} of any kind. Not your name, and hard to guess."
            ),
            providers=(await container.get(Providers)).all(),
        )
    return made
