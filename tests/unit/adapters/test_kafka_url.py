"""A Kafka URL says where to go and how to enter, and a wrong one is told without its password."""

import ssl

import pytest

from shop.adapters.kafka.cluster import Cluster
from shop.core.kernel.errors import Invalid


def test_hosts_get_the_usual_port() -> None:
    assert Cluster("kafka://one,two:9093,[::1]").hosts == ("one:9092", "two:9093", "[::1]:9092")


def test_nothing_more_means_neither_tls_nor_password() -> None:
    options = Cluster("kafka://one/").options
    assert options["security_protocol"] == "PLAINTEXT"
    assert options["bootstrap_servers"] == ["one:9092"]
    assert "ssl_context" not in options


def test_user_and_password_are_decoded() -> None:
    options = Cluster("kafka://us%40er:p%3Aa%2Fs%40s@one").options
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("us@er", "p:a/s@s")
    assert options["security_protocol"] == "SASL_PLAINTEXT"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"


def test_tls_checks_certificate_and_name() -> None:
    options = Cluster("kafka://a:b@one?tls=true&sasl=PLAIN").options
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    assert Cluster("kafka://one?tls=true").options["security_protocol"] == "SSL"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka://", "must be kafka://host:port"),
        ("kafka://one:", "must be kafka://host:port"),
        ("kafka://one:70000", "must be kafka://host:port"),
        ("kafka://one,,two", "must be kafka://host:port"),
        ("kafka://hunter2@one", "give user and password as user:password@"),
        ("kafka://one?sasl=PLAIN", "sasl needs user:password@"),
        ("kafka://a:hunter2@one?sasl=NTLM", "sasl is SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN"),
        ("kafka://a:hunter2@one?tls=yes", "tls is true or false"),
        ("kafka://a:hunter2@one?ca=/x", "ca, cert and key need tls=true"),
        ("kafka://a:hunter2@one?tls=true&ca=/nowhere", "a certificate cannot be used"),
        ("kafka://a:hunter2@one?acks=1", "'acks' is not known; there are ca, cert, key, sasl, tls"),
    ],
)
def test_a_wrong_url_is_told_in_one_line(url: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        Cluster(url)
    assert refused.value.detail.startswith("SHOP_BUS_URL (bus.url): ")
    assert said in refused.value.detail
    assert "hunter2" not in refused.value.detail


def test_no_password_is_shown() -> None:
    cluster = Cluster("kafka://user:hunter2@one")
    assert "hunter2" not in repr(cluster)
    assert cluster.away(TimeoutError("hunter2")).detail == "Kafka at one:9092: no answer in time."
