"""What can be set, and what holds where nothing is; `shop.settings_reading` reads it."""

import os
import re
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Meta, Struct, field

_USERINFO = re.compile(r"(?<=//).*@|(?<=[?&]password=)[^&]+")
_PAIR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


class Secret:
    """A value that only `reveal` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


class Url(str):
    """An address whose `repr` hides user and password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_USERINFO.sub("***@", str(self)))


Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Text = Annotated[str, Meta(min_length=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table in the file. An unknown key is an error, not a silent default."""


class Site(Section, frozen=True):
    url: Url = Url("http://localhost:8000")
    mode: Literal["development", "production"] = "development"
    name: Text = "Shop"
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "INR"
    theme: str = ""

    @property
    def production(self) -> bool:
        return self.mode == "production"


class Data(Section, frozen=True):
    dir: Text = "var"


class Http(Section, frozen=True):
    host: Text = "127.0.0.1"
    port: Port = 8000
    proxies: str = ""

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies; what is none was refused on reading."""
        return tuple(ip_network(one) for one in self.proxies.replace(",", " ").split())


class Ops(Section, frozen=True):
    host: Text = "127.0.0.1"
    port: Port = 9000


class Database(Section, frozen=True):
    """A process opens up to `pool` connections to a server for writing, and as many for reading."""

    url: Url = Url("")
    pool: Positive = 10
    pool_seconds: Positive = 5


class Cache(Section, frozen=True):
    url: Url = Url("memory:")


class Bus(Section, frozen=True):
    """All but `url` is for Kafka. Events are known as repeats for 30 days, so none lasts longer."""

    url: Url = Url("database:")
    prefix: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")] = "shop"
    partitions: Annotated[int, Meta(ge=1, le=1000)] = 6
    replication: Annotated[int, Meta(ge=1, le=15)] = 1
    retention_hours: Annotated[int, Meta(ge=1, le=720)] = 168


class Mail(Section, frozen=True):
    url: Url = Url("")
    from_: Annotated[str, Meta(pattern=r"^[^@\r\n]+@[^@\r\n]+$")] = field(
        default="Shop <shop@localhost>", name="from"
    )
    staff: Annotated[str, Meta(pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""


class Media(Section, frozen=True):
    """Everything but the URL is for `s3:`; what is empty comes from the usual `AWS_` variables."""

    url: Url = Url("")
    endpoint: Url = Url("")
    region: str = ""
    key_id: str = ""
    key_secret: Secret = Secret("")
    ca: str = ""


class Search(Section, frozen=True):
    url: Url = Url("embedded:")


class Payments(Section, frozen=True):
    provider: Literal["sandbox", "razorpay"] = "sandbox"


class Razorpay(Section, frozen=True):
    key_id: str = ""
    key_secret: Secret = Secret("")
    webhook_secret: Secret = Secret("")
    old_webhook_secret: Secret = Secret("")
    url: Url = Url("https://api.razorpay.com")

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        both = (self.webhook_secret, self.old_webhook_secret)
        return tuple(secret.reveal() for secret in both if secret)


class Orders(Section, frozen=True):
    hold_seconds: Positive = 900


class Security(Section, frozen=True):
    """An empty secret is made at the first start and kept in the database (development only)."""

    secret: Secret = Secret("")
    access_token_seconds: Positive = 900
    refresh_token_days: Positive = 30
    session_days: Positive = 180
    admin_log_days: Natural = 730
    staff_second_factor: bool = False


class Backup(Section, frozen=True):
    """Without a key a backup is not encrypted, which `shop backup` refuses in production."""

    key: Secret = Secret("")


class Limits(Section, frozen=True):
    enabled: bool = True
    cart_per_minute: Positive = 600
    identity_per_minute: Positive = 300


class Passwords(Section, frozen=True):
    min_length: Annotated[int, Meta(ge=8, le=128)] = 10
    passphrase_length: Annotated[int, Meta(ge=8, le=128)] = 16
    min_score: Annotated[int, Meta(ge=0, le=4)] = 3
    time_cost: Positive = 2
    memory_kib: Annotated[int, Meta(ge=8)] = 19_456
    parallelism: Positive = 1
    threads: Natural = 0
    queue: Positive = 64

    @property
    def pool_size(self) -> int:
        """One core stays free for the event loop."""
        return self.threads or max(1, (os.cpu_count() or 1) - 1)


class Tax(Section, frozen=True):
    default_basis_points: BasisPoints = 1800
    seller_name: Text = "Shop"
    seller_address: Text = "12 Market Road\nBengaluru 560001"
    gstin: Annotated[str, Meta(pattern="^([0-9]{2}[A-Z0-9]{13})?$")] = ""
    state: Annotated[str, Meta(pattern="^[A-Z]{2}$")] = "KA"
    invoice_series: Annotated[str, Meta(pattern="^[A-Z0-9]{1,5}$")] = "INV"

    @property
    def seller_address_lines(self) -> tuple[str, ...]:
        return tuple(self.seller_address.splitlines())


class Shipping(Section, frozen=True):
    """Amounts in the minor unit of the site's currency; `standard_free_above` 0 means never."""

    standard_amount: Natural = 4_900
    standard_free_above: Natural = 49_900
    express_amount: Natural = 14_900
    tax_basis_points: BasisPoints = 1800


class CouponRule(Section, frozen=True, kw_only=True):
    """`value` is a whole percentage, or an amount in the minor unit; `minimum` is of the goods."""

    code: Annotated[str, Meta(pattern="^[A-Z0-9-]{3,32}$")]
    kind: Literal["percent", "amount"] = "percent"
    value: Positive
    minimum: Natural = 0
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None


class Pricing(Section, frozen=True):
    coupons: tuple[CouponRule, ...] = ()


class Cod(Section, frozen=True):
    enabled: bool = True
    max_amount: Natural = 5_000_000


class Log(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "ecs", "console"] = "console"


class Traces(Section, frozen=True):
    """`attributes` and `headers` are lists as in `deployment.environment.name=staging,team=web`."""

    url: Url = Url("")
    ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    attributes: str = ""
    headers: Secret = Secret("")

    @property
    def endpoint(self) -> str:
        """Where spans go; a collector's address alone means its usual path."""
        path = urlsplit(self.url).path
        return str(self.url) if path.strip("/") else self.url.rstrip("/") + "/v1/traces"


class SocialProvider(Section, frozen=True):
    """An OpenID provider to sign in with; one without a secret is a public client.

    Only Google's issuer and title are known; an empty title is the name with a capital.
    """

    client_id: str = ""
    client_secret: Secret = Secret("")
    issuer: Url = Url("")
    title: str = ""
    scopes: Annotated[str, Meta(pattern=r"^openid( [!-~]+)*$")] = "openid email profile"


class Providers(Section, frozen=True):
    """The providers by name, each a section of its own: `[providers.google]`."""

    named: dict[str, SocialProvider] = {}


class Catalog(Section, frozen=True):
    lane_bytes: Natural = 16 * 1024 * 1024


class Settings(Section, frozen=True):
    site: Site = Site()
    data: Data = Data()
    http: Http = Http()
    ops: Ops = Ops()
    database: Database = Database()
    cache: Cache = Cache()
    bus: Bus = Bus()
    mail: Mail = Mail()
    media: Media = Media()
    search: Search = Search()
    payments: Payments = Payments()
    razorpay: Razorpay = Razorpay()
    orders: Orders = Orders()
    security: Security = Security()
    backup: Backup = Backup()
    limits: Limits = Limits()
    passwords: Passwords = Passwords()
    tax: Tax = Tax()
    shipping: Shipping = Shipping()
    pricing: Pricing = Pricing()
    cod: Cod = Cod()
    log: Log = Log()
    traces: Traces = Traces()
    catalog: Catalog = Catalog()
    providers: Providers = Providers()

    @property
    def database_url(self) -> Url:
        """With the driver named, and below the data folder when none was given."""
        if not self.database.url:
            return Url(f"sqlite+aiosqlite:///{self.data.dir}/shop.db")
        if self.database.url.startswith("sqlite:"):
            return Url(f"sqlite+aiosqlite:{self.database.url.removeprefix('sqlite:')}")
        if self.database.url.startswith("mysql:"):
            return Url(f"mysql+asyncmy:{self.database.url.removeprefix('mysql:')}")
        return self.database.url

    @property
    def shares_cache(self) -> bool:
        """Whether all replicas remember together."""
        return self.cache.url.startswith("redis")

    @property
    def shares_database(self) -> bool:
        """Whether other processes use the database that this one knows nothing about."""
        return self.database_url.startswith("mysql")

    @property
    def mail_url(self) -> Url:
        return self.mail.url or Url(f"file:{self.data.dir}/mail")

    @property
    def media_url(self) -> Url:
        return self.media.url or Url(f"file:{self.data.dir}/media")


def pairs(text: str) -> dict[str, str]:
    """Names and values of `a=1,b=2`, where %2C and the like stand for themselves.

    Raises `ValueError`.
    """
    found = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = one.partition("=")
        if not equals or not _PAIR_NAME.fullmatch(name.strip()):
            raise ValueError(one)
        found[name.strip()] = unquote(value.strip())
    return found
