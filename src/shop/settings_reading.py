"""Defaults, then a TOML file, then `SHOP_<SECTION>_<KEY>`. A wrong one stops the start."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields, replace

from shop.settings import (
    Media,
    Providers,
    Razorpay,
    Section,
    Settings,
    Site,
    SocialProvider,
    Traces,
    Url,
    pairs,
)

PREFIX = "SHOP_"
FILE_SUFFIX = "_file"
SECRET_LENGTH = 32
SECRET_VARIETY = 8
ISSUER_LENGTH = 255

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NOT_SETTINGS = frozenset({"SHOP_ADMIN_PASSWORD"})
_PLATFORM = re.compile(
    r"SHOP_(PORT|(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?))"
)
_PLATFORM_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
_DEVELOPMENT_SECRETS = re.compile(r"(?i)change.?me|development|example|insecure|secret.?key")
_MESSAGE_PATH = re.compile(r" - at `.*`$")

_SCHEMES = {
    "database": ("sqlite+aiosqlite:", "sqlite:", "mysql+asyncmy:", "mysql:", "memory:"),
    "cache": ("memory:", "redis:", "rediss:"),
    "bus": ("database:", "kafka:"),
    "mail": ("file:", "memory:", "smtp:", "smtps:"),
    "media": ("file:", "memory:", "s3:"),
    "search": ("embedded:", "database:"),
}
_MYSQL_OPTIONS = (
    "ssl",
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_key",
    "ssl_cipher",
    "ssl_check_hostname",
)
_NOT_YET = frozenset({"opensearch:"})


class SettingsError(Exception):
    """One line that names the setting as it was written and says what is allowed."""


_SECTIONS: dict[str, type[Section]] = {f.name: f.type for f in fields(Settings)}
#: Holds sections instead of keys: `providers.google`.
_NAMED = "providers"
_PROVIDER_NAME = re.compile(r"[a-z][a-z0-9]{0,31}")
_GOOGLE = SocialProvider(issuer=Url("https://accounts.google.com"), title="Google")


class _Written(Struct, frozen=True):
    """A value on its way in, and the name its author gave it."""

    name: str
    value: Any
    strict: bool


_Values = dict[tuple[str, str], _Written]


def load(
    file: Path | None,
    environ: Mapping[str, str],
    options: Mapping[tuple[str, str], Any] | None = None,
) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and a warning for each `SHOP_…` name that means nothing here.

    `options` come from the command line, by section and key, and go first.
    """
    written: _Values = dict(_from_file(file)) if file else {}
    warnings = _from_environment(environ, written)
    for (section, key), value in (options or {}).items():
        written[section, key] = _Written(f"--{key}", value, strict=True)
    sections: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for (section, key), value in written.items():
        info = _keys(section)[key]
        sections.setdefault(section, {})[info.name] = _converted(info, value)
    given: dict[str, Any] = {name: kind(**sections[name]) for name, kind in _SECTIONS.items()}
    settings = Settings(**given)

    def name_of(section: str, key: str) -> str:
        known = written.get((section, key))
        return known.name if known else f"{PREFIX}{section}_{key}".upper().replace(".", "_")

    _check_adapters(settings, name_of)
    _check_server(settings, name_of)
    _check_proxies(settings, name_of)
    told = ("site", "url") in written
    site = _site(settings, name_of) if told else _at_home(settings)
    _check_production(settings, name_of)
    _check_backup(settings, name_of)
    _check_traces(settings.traces, name_of)
    providers = Providers(named=_providers(sections, settings.site, name_of))
    return replace(settings, site=site, providers=providers), warnings


def _keys(section: str) -> dict[str, FieldInfo]:
    kind = SocialProvider if section.startswith(f"{_NAMED}.") else _SECTIONS[section]
    return {info.encode_name: info for info in fields(kind)}


def _from_file(file: Path) -> Iterator[tuple[tuple[str, str], _Written]]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not valid TOML ({error}).") from error
    for section, table in data.items():
        if section not in _SECTIONS:
            raise SettingsError(
                f"{file}: there is no section [{section}]; known are {', '.join(_SECTIONS)}."
            )
        if not isinstance(table, dict):
            raise SettingsError(f"{file}: {section} must be a section, written [{section}].")
        for part, keys in _parts(file, section, table):
            for key, value in keys.items():
                name = f"{file}: {part}.{key}"
                _known(name, part, key)
                yield (part, key), _Written(name, value, strict=True)


def _parts(file: Path, section: str, table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if section != _NAMED:
        yield section, table
        return
    for name, keys in table.items():
        part = f"{section}.{name}"
        if not _PROVIDER_NAME.fullmatch(name) or not isinstance(keys, dict):
            raise SettingsError(
                f"{file}: {part} must be a section; its name is made of a-z and 0-9."
            )
        yield part, keys


def _from_environment(environ: Mapping[str, str], written: _Values) -> tuple[str, ...]:
    warnings = []
    seen: dict[tuple[str, str], str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS or _platform(name, environ[name]):
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if section == _NAMED:
            called, _, key = key.partition("_")
            section = f"{section}.{called}" if _PROVIDER_NAME.fullmatch(called) else ""
        if (section not in _SECTIONS and not section.startswith(f"{_NAMED}.")) or not key:
            warnings.append(f"{name} is not a setting and was ignored.")
            continue
        value = environ[name]
        if key not in _keys(section) and key.endswith(FILE_SUFFIX):
            key = key.removesuffix(FILE_SUFFIX)
            _known(name, section, key)
            value = _content(name, value)
        _known(name, section, key)
        if (section, key) in seen:
            raise SettingsError(f"{name}: {seen[section, key]} is set as well; give only one.")
        seen[section, key] = name
        written[section, key] = _Written(name, value, strict=False)
    return tuple(warnings)


def _platform(name: str, value: str) -> bool:
    """Kubernetes puts the addresses of services into the environment of every container."""
    if name.endswith("_PORT") and _PLATFORM_ADDRESS.fullmatch(value):
        return True
    return _PLATFORM.fullmatch(name) is not None


def _content(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: {path} is not a text file in UTF-8.") from error
    return text.removesuffix("\n").removesuffix("\r")


def _known(name: str, section: str, key: str) -> None:
    if key not in _keys(section):
        raise SettingsError(
            f"{name}: there is no such setting; [{section}] has {', '.join(_keys(section))}."
        )


def _converted(info: FieldInfo, written: _Written) -> Any:
    if get_origin(info.type) is Literal and written.value not in get_args(info.type):
        raise SettingsError(f"{written.name}: must be one of {', '.join(get_args(info.type))}.")
    try:
        return msgspec.convert(written.value, info.type, strict=written.strict, dec_hook=_own_types)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{written.name}: {_MESSAGE_PATH.sub('', str(error))}.") from None


def _own_types(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise msgspec.ValidationError("Expected `str`")
    return kind(value)


_NameOf = Callable[[str, str], str]


def _check_proxies(settings: Settings, name_of: _NameOf) -> None:
    try:
        _ = settings.http.networks
    except ValueError as error:
        raise SettingsError(
            f"{name_of('http', 'proxies')}: {error}; give addresses or networks such as 10.0.0.0/8."
        ) from None


def _check_adapters(settings: Settings, name_of: _NameOf) -> None:
    """A scheme that no adapter serves stops the start, not the first sale."""
    for section, supported in _SCHEMES.items():
        url: str = getattr(settings, section).url
        scheme = url.partition(":")[0] + ":"
        optional = not getattr(_SECTIONS[section](), "url", "")
        if (url or not optional) and scheme not in supported:
            _refuse(name_of(section, "url"), scheme, supported)
    if settings.media.url.startswith("s3:"):
        _check_bucket(settings.media, name_of)
    if settings.mail.url.startswith("smtp"):
        _check_smtp(settings.mail.url, name_of("mail", "url"))
    if settings.payments.provider == "razorpay":
        keys = ("key_id", "key_secret", "webhook_secret")
        missing = [key for key in keys if not getattr(settings.razorpay, key)]
        if missing:
            raise SettingsError(
                f"{name_of('payments', 'provider')}: razorpay also needs "
                f"{', '.join(name_of('razorpay', key) for key in missing)}."
            )
        _check_razorpay(settings.razorpay, name_of)


def _check_bucket(media: Media, name_of: _NameOf) -> None:
    if not _BUCKET.fullmatch(media.url):
        raise SettingsError(
            f"{name_of('media', 'url')}: must be s3://bucket or s3://bucket/prefix."
        )
    if media.endpoint and not re.fullmatch(r"https?://[^/@?#]+/?", media.endpoint):
        raise SettingsError(
            f"{name_of('media', 'endpoint')}: must be https:// or http:// and a host, no path."
        )
    if bool(media.key_id) is not bool(media.key_secret):
        one, other = name_of("media", "key_id"), name_of("media", "key_secret")
        raise SettingsError(f"{one}: must be given together with {other}.")


def _check_smtp(url: str, name: str) -> None:
    """A password must not go in the clear, unless it stays on this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if not host or port == 0 or parts.path not in {"", "/"} or parts.fragment:
        raise SettingsError(f"{name}: must be smtp://user:password@host:port or smtps://….")
    options = parse_qs(parts.query, keep_blank_values=True)
    known = {"required", "never"} if parts.scheme == "smtp" else set[str]()
    if options.keys() - {"starttls"} or any(
        len(values) > 1 or values[0] not in known for values in options.values()
    ):
        raise SettingsError(
            f"{name}: behind ? only starttls=required or starttls=never may stand, with smtp://."
        )
    if parts.username and options.get("starttls") == ["never"] and host not in _LOCAL:
        raise SettingsError(
            f"{name}: with a password, starttls=never is allowed for localhost only."
        )


def _check_razorpay(razorpay: Razorpay, name_of: _NameOf) -> None:
    """The key goes with every call, so it must not go in the clear."""
    name = name_of("razorpay", "url")
    try:
        parts = urlsplit(razorpay.url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in {"http", "https"} or "@" in razorpay.url:
        raise SettingsError(f"{name}: must be https:// and a host, without a user.")
    if parts.scheme != "https" and host not in _LOCAL:
        raise SettingsError(f"{name}: must be https:// (http:// only for localhost).")


def _check_server(settings: Settings, name_of: _NameOf) -> None:
    """A database URL with a piece missing fails here, not at the first query."""
    if not settings.shares_database:
        return
    form = "must be mysql://user:password@host/name, where @ and : in a password are %40 and %3A"
    try:
        parts = urlsplit(settings.database_url)
        whole = bool(parts.hostname and parts.path.strip("/")) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or "/" in parts.path[1:] or parts.fragment:
        raise SettingsError(f"{name_of('database', 'url')}: {form}.")
    _check_tls(parts.query, name_of("database", "url"))


def _check_tls(query: str, name: str) -> None:
    """A misspelt wish for TLS must not end in a connection without it."""
    options = parse_qs(query, keep_blank_values=True)
    if not options.keys() <= set(_MYSQL_OPTIONS):
        # What else stands there may be part of a password.
        raise SettingsError(f"{name}: its options are {', '.join(_MYSQL_OPTIONS)}.")
    if any(len(values) > 1 or not values[0] for values in options.values()):
        raise SettingsError(f"{name}: each option is given once, as ssl_ca=/etc/mysql/ca.pem.")
    for switch in ("ssl", "ssl_check_hostname"):
        if options.get(switch, ["true"])[0] not in {"true", "false"}:
            raise SettingsError(f"{name}: {switch} is true or false.")
    if options.get("ssl") == ["false"] and len(options) > 1:
        raise SettingsError(f"{name}: with ssl=false, no other option makes sense.")
    if "ssl_key" in options and "ssl_cert" not in options:
        raise SettingsError(f"{name}: ssl_key needs ssl_cert.")


def _refuse(name: str, value: str, supported: tuple[str, ...]) -> None:
    # Only schemes that we know are repeated: an unknown one may be part of a pasted password.
    what = f"{value} is not available in this version" if value in _NOT_YET else "is not supported"
    raise SettingsError(f"{name}: {what}; use {' or '.join(supported)}.")


def _at_home(settings: Settings) -> Site:
    """A shop that was told of no address is found where it listens on this machine."""
    port = settings.http.port
    shown = f":{port}" if port != 80 else ""  # noqa: PLR2004 - browsers leave it out
    return replace(settings.site, url=Url(f"http://localhost{shown}"))


def listening(settings: Settings, http: int, ops: int) -> Settings:
    """With the ports that are bound: port 0 had left them to the system."""
    bound = replace(
        settings, http=replace(settings.http, port=http), ops=replace(settings.ops, port=ops)
    )
    untold = urlsplit(settings.site.url).port == 0
    return replace(bound, site=_at_home(bound)) if untold else bound


def _site(settings: Settings, name_of: _NameOf) -> Site:
    """Its URL without a slash at the end, so that paths can be put behind it."""
    name, site = name_of("site", "url"), settings.site
    try:
        parts = urlsplit(site.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    extra = host and (
        parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in site.url
    )
    if not host or parts.scheme not in {"http", "https"} or extra or port == 0:
        raise SettingsError(f"{name}: must be http:// or https:// and a host, without a path.")
    if site.production and parts.scheme != "https" and host not in _LOCAL:
        raise SettingsError(f"{name}: must be https:// in production (http:// only for localhost).")
    return replace(site, url=Url(site.url.rstrip("/")))


def _providers(
    sections: dict[str, dict[str, Any]], site: Site, name_of: _NameOf
) -> dict[str, SocialProvider]:
    """Each with its issuer and title, and both safe to use."""
    found = {}
    for section, given in sections.items():
        _, dot, name = section.partition(".")
        if not dot:
            continue
        known = _GOOGLE if name == "google" else SocialProvider(title=name.capitalize())
        provider = replace(known, **{key: value for key, value in given.items() if value})
        if not provider.client_id:
            raise SettingsError(f"{name_of(section, 'client_id')}: is required for {name}.")
        _check_issuer(provider.issuer, site, name_of(section, "issuer"))
        found[name] = provider
    return found


def _check_issuer(issuer: str, site: Site, name: str) -> None:
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    local = not site.production and parts.scheme == "http" and host in _LOCAL
    if not host or not (parts.scheme == "https" or local) or "@" in issuer:
        raise SettingsError(
            f"{name}: must be the https:// address of the issuer "
            "(http:// only for localhost in development)."
        )
    if parts.query or parts.fragment or len(issuer) > ISSUER_LENGTH or not issuer.isascii():
        raise SettingsError(f"{name}: must have no ? and no #, and at most 255 characters.")


def _check_backup(settings: Settings, name_of: _NameOf) -> None:
    key = settings.backup.key.reveal()
    if key and (len(key) < SECRET_LENGTH or len(set(key)) < SECRET_VARIETY):
        raise SettingsError(
            f"{name_of('backup', 'key')}: is weak; give at least {SECRET_LENGTH} random characters."
        )


def _check_traces(traces: Traces, name_of: _NameOf) -> None:
    name = name_of("traces", "url")
    if traces.url:
        try:
            parts = urlsplit(traces.url)
            host = parts.hostname if parts.port != 0 else None
        except ValueError:
            parts, host = urlsplit(""), None
        if not host or parts.scheme not in {"http", "https"} or "@" in traces.url or parts.query:
            raise SettingsError(
                f"{name}: must be the http:// or https:// address of an OTLP collector,"
                " such as http://localhost:4318; what opens it goes into traces.headers."
            )
    for key, text in (("attributes", traces.attributes), ("headers", traces.headers.reveal())):
        try:
            pairs(text)
        except ValueError:
            raise SettingsError(
                f"{name_of('traces', key)}: must be name=value pairs with commas between them."
            ) from None


def _check_production(settings: Settings, name_of: _NameOf) -> None:
    secret, name = settings.security.secret.reveal(), name_of("security", "secret")
    if not secret and not settings.site.production:
        return
    if len(secret) < SECRET_LENGTH:
        when = "is required in production" if settings.site.production else "is too short"
        raise SettingsError(f"{name}: {when}; give at least {SECRET_LENGTH} random characters.")
    weak = len(set(secret)) < SECRET_VARIETY or _DEVELOPMENT_SECRETS.search(secret)
    if weak and settings.site.production:
        raise SettingsError(f"{name}: is a development value; give a random one in production.")
