"""Identity by itself: its real wiring over a storage, with mails and carts in the test's hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dishka import STRICT_VALIDATION, AsyncContainer, Provider, Scope, make_async_container, provide
from litestar import Litestar

from shop.adapters.factors.provider import FactorChecks
from shop.adapters.memory.caching import MemoryCaching
from shop.adapters.system.provider import Identity, System
from shop.core.checkout.carts import CartCommand, PricedCart
from shop.core.users.liveness import Liveness
from shop.entrypoints.actors.desks import CartDesk
from shop.entrypoints.http.api.addresses import AddressController
from shop.entrypoints.http.api.admin_users import UserAdminController
from shop.entrypoints.http.api.factors import FactorController, SecondStepController
from shop.entrypoints.http.api.identity import IdentityController
from shop.entrypoints.http.auth import JwtAuthenticator
from shop.entrypoints.http.discovery import DiscoveryController
from shop.entrypoints.http.oauth import OAuthController
from shop.entrypoints.http.problems import PROBLEMS
from shop.ports.notifications import Letter, Post
from shop.ports.system import Schema
from shop.ports.users import Passwords, Tokens
from shop.settings import Settings
from shop.usecases import People
from shop.wiring import Conditions, storage_providers
from tests.kit.containers import FakeSystem, settings_for
from tests.kit.framework import lent

PASSWORD = "three green kettles"


class Letterbox(Post):
    """Keeps every letter, also of units that were undone."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def queue(self, letter: Letter) -> None:
        self.letters.append(letter)

    def templates(self) -> list[str]:
        return [letter.template for letter in self.letters]

    def secret(self, template: str, to: str = "") -> str:
        """The secret in the newest letter of that kind."""
        fitting = [x for x in self.letters if x.template == template and to in ("", x.to)]
        return secret_in(fitting[-1])


def secret_in(letter: Letter) -> str:
    link: str = letter.data["link"]
    return parse_qs(urlsplit(link).query)["token"][0]


class FakePasswords(Passwords):
    """Costs nothing; `rounds` makes hashes outdated."""

    def __init__(self) -> None:
        self.rounds = 1
        self.verified: list[str | None] = []

    @property
    def queued(self) -> int:
        return 0

    async def hash(self, password: str) -> str:
        return f"{self.rounds}:{sha256(password.encode()).hexdigest()}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        self.verified.append(hashed)
        if hashed is None:
            return False
        return hashed.partition(":")[2] == sha256(password.encode()).hexdigest()

    def outdated(self, hashed: str) -> bool:
        return not hashed.startswith(f"{self.rounds}:")


class FakeCartDesk:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[CartCommand] = []

    async def ask(self, command: CartCommand) -> PricedCart | None:
        self.asked.append(command)
        return None


class Fakes(Provider):
    scope = Scope.APP

    @provide
    def letterbox(self) -> Letterbox:
        return Letterbox()

    @provide
    def post(self, letterbox: Letterbox) -> Post:
        return letterbox

    @provide
    def desk(self) -> FakeCartDesk:
        return FakeCartDesk()

    @provide
    def carts(self, desk: FakeCartDesk) -> CartDesk:
        return desk  # type: ignore[return-value]


class CheapPasswords(Provider):
    scope = Scope.APP

    @provide
    def fake(self) -> FakePasswords:
        return FakePasswords()

    @provide(override=True)
    def passwords(self, fake: FakePasswords) -> Passwords:
        return fake


@asynccontextmanager
async def people(
    storage: str, folder: Path, settings: Settings = Settings(), extra: Sequence[Provider] = ()
) -> AsyncIterator[AsyncContainer]:
    url = str(settings.site.url)
    container = make_async_container(
        System(url),
        Identity(url, memory_kib=8, time_cost=1, parallelism=1, threads=1, queue=64),
        FactorChecks(url, settings.site.name),
        MemoryCaching(),
        *storage_providers(settings_for(storage, folder)),
        Conditions(settings),
        People(),
        Fakes(),
        FakeSystem(),
        CheapPasswords(),
        *extra,
        validation_settings=STRICT_VALIDATION,
    )
    try:
        await (await container.get(Schema)).migrate()
        yield container
    finally:
        await container.close()


@asynccontextmanager
async def identity_app(container: AsyncContainer) -> AsyncIterator[Litestar]:
    tokens, liveness = await container.get(Tokens), await container.get(Liveness)
    authenticator = JwtAuthenticator(tokens, liveness)
    with lent(_app, {"container": container, "authenticator": authenticator}) as app:
        yield app


def _app() -> Litestar:
    return Litestar(
        [
            IdentityController,
            FactorController,
            SecondStepController,
            AddressController,
            UserAdminController,
            OAuthController,
            DiscoveryController,
        ],
        exception_handlers=PROBLEMS,
    )
