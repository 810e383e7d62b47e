"""compose.yaml holds together: settings, commands, ports and names are real ones."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest

from shop.entrypoints.cli.main import cli
from shop.settings import Settings
from shop.settings_reading import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = import_module("yaml").safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("shop:")}
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if not line.startswith("#")
)
#: Where the servers listen, as their images have it.
LISTENS = {"db": 3306, "redis": 6379, "kafka": 9092, "mail": 1025}
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?:(:[?-])([^}]*))?\}")


def filled(value: object) -> str:
    """What compose makes of it with the example's variables."""
    return _VARIABLE.sub(lambda found: EXAMPLE.get(found[1], found[3]), str(value))


def settings_of(name: str) -> Settings:
    given = {key: filled(value) for key, value in SERVICES[name]["environment"].items()}
    settings, warnings = load(None, given)
    assert warnings == ()
    return settings


def test_it_is_the_set_up_of_a_real_deployment() -> None:
    assert SERVICES.keys() == {
        *("migrate", "api", "consumer", "proxy", "db", "redis", "kafka", "mail")
    }
    assert OURS.keys() == {"migrate", "api", "consumer"}
    assert [SERVICES[name]["deploy"]["replicas"] for name in ("api", "consumer")] == [2, 2]
    assert "broker,controller" in SERVICES["kafka"]["environment"]["KAFKA_PROCESS_ROLES"]


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_a_real_one_and_names_servers_that_are_there(name: str) -> None:
    settings = settings_of(name)
    urls = (settings.database_url, settings.cache.url, settings.bus.url, settings.mail.url)
    servers = {(parts.hostname, parts.port) for parts in map(urlsplit, urls)}
    assert servers == set(LISTENS.items())
    assert settings.shares_database
    assert settings.shares_cache


@pytest.mark.parametrize("name", OURS)
def test_every_command_can_be_given(name: str) -> None:
    command: click.Command = cli
    words = list(OURS[name]["command"])
    context = command.make_context("shop", words)
    assert isinstance(command, click.Group)
    called, found, rest = command.resolve_command(context, words)
    assert found is not None
    found.make_context(called, rest, parent=context)


def test_all_of_ours_may_write_to_their_data_alone_and_as_nobody() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert 'VOLUME ["/data"]' in dockerfile
    for one in OURS.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["volumes"] == ["data:/data"]
        assert "user" not in one


def test_no_secret_is_written_in_it_and_each_has_a_value_for_development() -> None:
    used = {found[1] for found in _VARIABLE.finditer(TEXT)}
    assert used - {"SHOP_TAG"} == EXAMPLE.keys()
    for name, value in EXAMPLE.items():
        assert value.startswith("development"), name
        assert value not in TEXT
        assert f"${{{name}:?" in TEXT
    for one in SERVICES.values():
        for key, value in (one.get("environment") or {}).items():
            if re.search("PASSWORD$|SECRET|_KEY$", key) and "RANDOM" not in key:
                assert _VARIABLE.fullmatch(value), key
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored


def test_every_image_is_of_one_version() -> None:
    for name, one in SERVICES.items():
        if name not in OURS:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-\w+)?", one["image"]), name
            assert "build" not in one


def test_the_image_is_built_once_by_one_whom_all_others_wait_for() -> None:
    assert [name for name, one in OURS.items() if "build" in one] == ["migrate"]
    assert len({one["image"] for one in OURS.values()}) == 1
    assert all("migrate" in OURS[name]["depends_on"] for name in ("api", "consumer"))


def test_who_waits_for_another_waits_for_one_that_can_tell() -> None:
    for name, one in SERVICES.items():
        for other, how in (one.get("depends_on") or {}).items():
            assert other in SERVICES, name
            if how["condition"] == "service_healthy":
                assert SERVICES[other]["healthcheck"]["test"], other
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no"
    assert SERVICES["api"]["depends_on"]["migrate"] == {
        "condition": "service_completed_successfully"
    }


def test_only_this_machine_gets_in_and_by_the_proxy() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published.keys() == {"proxy", "mail"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    [port] = published["proxy"]
    assert port.split(":")[1] == str(urlsplit(settings_of("api").site.url).port)
    nginx = (ROOT / "config" / "nginx.conf").read_text()
    assert f"listen {port.split(':')[2]};" in nginx
    assert f"server api:{settings_of('api').http.port} " in nginx
    # Callers come by the published port with an address of the network that is believed.
    assert "X-Forwarded-For $remote_addr;" in nginx
    assert "proxy_add_x_forwarded_for" not in nginx
    [subnet] = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert settings_of("api").http.proxies == subnet["subnet"]


def test_the_proxy_is_ready_when_a_replica_is_and_all_end_before_they_are_killed() -> None:
    ops = settings_of("api").ops
    assert f"http://127.0.0.1:{ops.port}/readyz" in SERVICES["api"]["healthcheck"]["test"][-1]
    for name in ("api", "consumer"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 10
    volumes = {volume for one in SERVICES.values() for volume in one.get("volumes", [])}
    named = {volume.split(":")[0] for volume in volumes if not volume.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
