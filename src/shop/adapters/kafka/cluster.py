"""Where Kafka is, and how to enter: read from a URL.

    kafka://user:password@host:9092,host2:9092?tls=true&sasl=SCRAM-SHA-512&ca=/etc/kafka/ca.pem

User and password are percent-encoded; without a port it is 9092. `tls` is false unless said
otherwise; `ca` names the certificates to trust instead of the system's, `cert` and `key` are ours.
`sasl` is SCRAM-SHA-512 when there is a user, or PLAIN or SCRAM-SHA-256.
"""

import asyncio
import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from shop.core.kernel.errors import Invalid, Unavailable

_PORT = 9092
_LAST_PORT = 65535
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_KNOWN = frozenset({"tls", "sasl", "ca", "cert", "key"})
#: Seconds for one request. A broker that is stopped, not gone, is noticed after that.
REQUEST = 8.0


class Cluster:
    """`options` are what every client of the library takes."""

    def __init__(self, url: str) -> None:
        """Raises `Invalid` with one line that names the setting and shows no password."""
        place, _, query = url.removeprefix("kafka://").partition("?")
        userinfo, at, hosts = place.rpartition("@")
        self.hosts = tuple(_host(one) for one in hosts.rstrip("/").split(","))
        extra = _extra(query)
        self.options: dict[str, Any] = {
            "bootstrap_servers": list(self.hosts),
            "client_id": "shop",
            "request_timeout_ms": int(REQUEST * 1000),
            "retry_backoff_ms": 200,
            "security_protocol": "PLAINTEXT",
        }
        tls = extra.get("tls", "false") == "true"
        if tls:
            self.options["ssl_context"] = _trust(extra)
            self.options["security_protocol"] = "SSL"
        if at:
            user, colon, password = userinfo.partition(":")
            if not user or not colon:
                raise _wrong("give user and password as user:password@")
            self.options |= {
                "security_protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
                "sasl_mechanism": extra.get("sasl", _MECHANISMS[0]),
                "sasl_plain_username": unquote(user),
                "sasl_plain_password": unquote(password),
            }
        elif "sasl" in extra:
            raise _wrong("sasl needs user:password@ before the hosts")

    def __repr__(self) -> str:
        return f"Cluster({', '.join(self.hosts)})"

    def away(self, error: BaseException) -> Unavailable:
        """What to raise when Kafka has failed us. The library's own text may hold anything."""
        why = _EXPLAINED.get(type(error).__name__, type(error).__name__)
        return Unavailable(f"Kafka at {', '.join(self.hosts)}: {why}.")

    async def distrust(self) -> str:
        """What is wrong with TLS, which the library hides; empty where nothing is, or no TLS."""
        context = self.options.get("ssl_context")
        for name, _, port in (one.rpartition(":") for one in self.hosts if context is not None):
            try:
                async with asyncio.timeout(REQUEST):
                    host = name.strip("[]")
                    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
            except ssl.SSLCertVerificationError as error:
                why = error.verify_message.rstrip(".")
                return f"the certificate of {name}:{port} is refused ({why})"
            except (ssl.SSLError, ConnectionResetError):
                return f"{name}:{port} does not speak TLS as we do"
            except (OSError, TimeoutError):
                continue
            writer.close()
        return ""


_EXPLAINED = {
    "KafkaConnectionError": "no connection",
    "TimeoutError": "no answer in time",
    "RequestTimedOutError": "no answer in time",
    "KafkaTimeoutError": "no answer in time",
    "UnknownTopicOrPartitionError": "a topic is missing, run `shop migrate`",
    "TopicAuthorizationFailedError": "we may not use a topic",
    "GroupAuthorizationFailedError": "we may not use a consumer group",
    "SaslAuthenticationFailed": "user or password are wrong",
}
#: What the library and the network throw at us.
TROUBLE: tuple[type[Exception], ...] = (KafkaError, OSError, TimeoutError)


def _wrong(what: str) -> Invalid:
    return Invalid(f"SHOP_BUS_URL (bus.url): {what}.")


def _host(text: str) -> str:
    name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        name, port = text, str(_PORT)
    if not name or not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
        raise _wrong("must be kafka://host:port, several parted by commas")
    return f"{name}:{port}"


def _extra(query: str) -> dict[str, str]:
    extra = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := extra.keys() - _KNOWN:
        raise _wrong(f"{unknown.pop()!r} is not known; there are {', '.join(sorted(_KNOWN))}")
    if extra.get("tls", "true") not in {"true", "false"}:
        raise _wrong("tls is true or false")
    if extra.get("sasl", _MECHANISMS[0]) not in _MECHANISMS:
        raise _wrong(f"sasl is {', '.join(_MECHANISMS[:-1])} or {_MECHANISMS[-1]}")
    if extra.get("tls") != "true" and extra.keys() & {"ca", "cert", "key"}:
        raise _wrong("ca, cert and key need tls=true")
    return extra


def _trust(extra: dict[str, str]) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=extra.get("ca"), certfile=extra.get("cert"), keyfile=extra.get("key")
        )
    except (OSError, ssl.SSLError) as error:
        raise _wrong(f"a certificate cannot be used ({error.strerror or error})") from None
    return context
