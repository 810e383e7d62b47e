"""deploy/k8s, rendered as `deploy/release` does: valid, safe, and true to what the shop is."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from msgspec.structs import fields

from shop.adapters.kafka.cluster import Cluster
from shop.entrypoints.actors.process import LAST_RESORT
from shop.entrypoints.cli.backup import backup
from shop.entrypoints.cli.main import cli
from shop.entrypoints.http.server import IDLE
from shop.settings import Settings
from shop.settings_reading import load
from tests.kit.process import ROOT, Shop, filled, free_port

K8S = ROOT / "deploy" / "k8s"
DOCS = ROOT / "docs" / "deploy"
CHECKS = ROOT / ".venv" / "checks" / "bin"
IMAGE = f"registry.example.com/shop@sha256:{'0' * 64}"
ENVIRONMENTS, COLOURS = ("staging", "production"), ("blue", "green")
#: What the settings' URLs would be; a Secret's keys and these are the same.
SECRETS = {
    "security-secret": "k9".join("abcdefghijklmnopq"),
    "database-url": "mysql://shop:password@database.internal:3306/shop",
    "cache-url": "rediss://shop:password@redis.internal:6379/0",
    "bus-url": "kafka://shop:password@kafka.internal:9096?tls=true",
    "mail-url": "smtp://shop:password@mail.example.com:587",
    "razorpay-key-secret": "x",
    "razorpay-webhook-secret": "x",
}
Json = dict[str, Any]


def script() -> Any:
    """`deploy/release` as a module: what it renders is what is tested."""
    loader = SourceFileLoader("release", str(ROOT / "deploy" / "release"))
    spec = spec_from_loader("release", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = kept
    return module


def checker(name: str) -> str:
    """A program of the checks' environment."""
    if not (CHECKS / name).exists():
        text = (
            f"NO {name.upper()}: run `make .venv/checks/.installed`. THE MANIFESTS ARE UNCHECKED."
        )
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    return str(CHECKS / name)


def kustomized(folder: Path) -> str:
    done = subprocess.run(  # noqa: S603
        [checker("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[Json]:
    return list(yaml.load_all(text, yaml.CSafeLoader))


@pytest.fixture(scope="module")
def texts() -> dict[tuple[str, str], str]:
    """What goes to the cluster, by environment and part."""
    release = script()
    found = {}
    for environment in ENVIRONMENTS:
        for part in ("", *COLOURS):
            with release.rendered(environment, part, release.Image(IMAGE)) as folder:
                found[environment, part] = kustomized(folder)
    return found


@pytest.fixture(scope="module")
def rendered(texts: dict[tuple[str, str], str]) -> dict[tuple[str, str], list[Json]]:
    return {key: objects(text) for key, text in texts.items()}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request: Any) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def everything(rendered: dict[tuple[str, str], list[Json]], environment: str) -> list[Json]:
    """Of one environment, both colours."""
    return [one for key, found in rendered.items() if key[0] == environment for one in found]


def of_kind(found: list[Json], kind: str) -> dict[str, Json]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def templates(found: list[Json]) -> Iterator[tuple[str, Json]]:
    """The pods of all that makes pods."""
    for one in found:
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]
        if one["kind"] == "CronJob":
            yield one["metadata"]["name"], one["spec"]["jobTemplate"]["spec"]["template"]


def labels(template: Json) -> dict[str, str]:
    found: dict[str, str] = template["metadata"]["labels"]
    return found


def settings_of(found: list[Json], folder: Path) -> Settings:
    """What `shop` would make of the settings in a pod."""
    [data] = [
        one["data"] for name, one in of_kind(found, "ConfigMap").items() if "settings" in name
    ]
    environ = {}
    for key, value in data.items():
        if key.endswith("_FILE"):
            path = folder / Path(value).name
            path.write_text(SECRETS[path.name])
            assert value == f"/etc/shop/secrets/{path.name}"
            environ[key] = str(path)
        else:
            environ[key] = value
    settings, warnings = load(None, environ)
    assert warnings == ()
    assert {path.name for path in folder.iterdir()} == SECRETS.keys()
    return settings


# -- by others' judgement ---------------------------------------------------------------------


def test_kubernetes_would_take_it(texts: dict[tuple[str, str], str], tmp_path: Path) -> None:
    for (environment, part), text in texts.items():
        (tmp_path / f"{environment}-{part or 'shared'}.yaml").write_text(text)
    (tmp_path / "role.yaml").write_text((K8S / "release-role.yaml").read_text())
    valid(*tmp_path.iterdir())


def valid(*files: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [checker("kubernetes-validate"), "--strict", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkov_finds_nothing(texts: dict[tuple[str, str], str], tmp_path: Path) -> None:
    """Not one check is skipped."""
    for (environment, part), text in texts.items():
        if environment == "production" and part != "blue":
            (tmp_path / f"{part or 'shared'}.yaml").write_text(text)
    words = ["--framework", "kubernetes", "--directory", str(tmp_path), "--output", "json"]
    done = subprocess.run(  # noqa: S603
        [checker("checkov"), *words, "--quiet", "--compact", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    report = json.loads(done.stdout)
    failed = [(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]]
    assert failed == []
    assert report["summary"]["skipped"] == 0
    assert report["summary"]["passed"] > 300


# -- true to the shop -------------------------------------------------------------------------


def test_every_setting_is_a_real_one(everything: list[Json], tmp_path: Path) -> None:
    for number, colour in enumerate(("", "-blue", "-green")):
        maps = [
            m for m in everything if m["metadata"]["name"].startswith(f"shop-settings{colour}-")
        ]
        maps = maps if colour else [m for m in maps if "shop/colour" not in str(m)]
        folder = tmp_path / str(number)
        folder.mkdir()
        settings = settings_of(maps, folder)
        assert settings.site.production
        assert settings.shares_database
        assert settings.shares_cache
        assert settings.ops.host == settings.http.host == "0.0.0.0"  # noqa: S104 - in its pod
        assert settings.media_url.startswith("s3:")
        Cluster(settings.bus.url)


def test_every_secret_is_named_once_more_in_the_vault_and_in_the_guide() -> None:
    found = objects((K8S / "components/external-secrets/external-secrets.yaml").read_text())
    keys = {one["metadata"]["name"]: one["spec"]["data"] for one in found}
    assert {one["secretKey"] for one in keys["shop"]} == SECRETS.keys()
    assert [one["secretKey"] for one in keys["shop-backup"]] == ["backup-key"]
    guide = (DOCS / "kubernetes.md").read_text()
    for key in (*SECRETS, "backup-key"):
        assert f"--from-file={key}" in guide, key


def test_the_colours_are_the_same_but_for_their_name(
    texts: dict[tuple[str, str], str], environment: str
) -> None:
    blue, green = (texts[environment, colour] for colour in COLOURS)
    assert "blue" not in green
    assert blue.replace("blue", "green") == green


def test_all_pods_run_the_image_by_its_digest_with_words_that_the_shop_knows(
    everything: list[Json],
) -> None:
    assert isinstance(cli, click.Group)
    for name, template in templates(everything):
        [container] = template["spec"]["containers"]
        assert container["image"] == IMAGE
        if "smoke" in name:
            assert container["command"][:2] == ["python", "/etc/shop/smoke/smoke.py"]
            continue
        context = cli.make_context("shop", list(container["args"]))
        called, command, rest = cli.resolve_command(context, list(container["args"]))
        assert command is not None
        command.make_context(called, rest, parent=context)


def test_each_pod_is_nobody_and_may_nothing(everything: list[Json]) -> None:
    [account] = of_kind(everything, "ServiceAccount").values()
    assert account["automountServiceAccountToken"] is False
    assert not {"Role", "RoleBinding", "ClusterRoleBinding"} & {one["kind"] for one in everything}
    [namespace] = of_kind(everything, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = list(templates(everything))
    assert len(pods) == 2 * 4 + 1
    for _, template in pods:
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["serviceAccountName"] == account["metadata"]["name"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"].keys() == {"requests", "limits"}
        mounted = {one["name"] for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in spec["volumes"]}
        for variable in container.get("env", []):
            assert "secretKeyRef" not in str(variable)
    assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text()
    assert not of_kind(everything, "Secret")


def test_only_the_backup_holds_its_key(everything: list[Json]) -> None:
    holders = [name for name, pod in templates(everything) if "shop-backup" in str(pod["spec"])]
    assert holders == ["shop-backup"]


def test_probes_ask_the_ops_port_and_a_pod_has_time_to_drain(
    everything: list[Json], tmp_path: Path
) -> None:
    maps = [m for m in everything if m["metadata"]["name"].startswith("shop-settings-blue")]
    settings = settings_of(maps, tmp_path)
    for name, deployment in of_kind(everything, "Deployment").items():
        spec = deployment["spec"]["template"]["spec"]
        [container] = spec["containers"]
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert ports["ops"] == settings.ops.port
        paths = {
            kind: (
                container[f"{kind}Probe"]["httpGet"]["path"],
                container[f"{kind}Probe"]["httpGet"]["port"],
            )
            for kind in ("startup", "liveness", "readiness")
        }
        alive = ("/healthz", "ops")
        assert paths == {"startup": alive, "liveness": alive, "readiness": ("/readyz", "ops")}
        wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert spec["terminationGracePeriodSeconds"] >= wait + LAST_RESORT + 5
        if "api" in name:
            assert ports["http"] == settings.http.port
            probe = container["readinessProbe"]
            # As long as nobody asks a pod that is gone: found unready, and told to all proxies.
            assert wait >= probe["periodSeconds"] * probe["failureThreshold"]
        scraped = deployment["spec"]["template"]["metadata"]["annotations"]
        assert scraped["prometheus.io/port"] == str(settings.ops.port)


def test_services_and_budgets_find_their_pods(everything: list[Json]) -> None:
    pods = dict(templates(everything))

    def chosen(selector: dict[str, str]) -> set[str]:
        return {name for name, pod in pods.items() if selector.items() <= labels(pod).items()}

    services = of_kind(everything, "Service")
    assert {name: chosen(one["spec"]["selector"]) for name, one in services.items()} == {
        "shop": {"shop-api-blue", "shop-api-green"},
        "shop-api-blue": {"shop-api-blue"},
        "shop-api-green": {"shop-api-green"},
    }
    for kind in ("Deployment", "PodDisruptionBudget"):
        for name, one in of_kind(everything, kind).items():
            assert chosen(one["spec"]["selector"]["matchLabels"]) == {name}
    for name, one in of_kind(everything, "HorizontalPodAutoscaler").items():
        assert one["spec"]["scaleTargetRef"]["name"] == name
        assert one["spec"]["minReplicas"] >= 2
    for name, one in of_kind(everything, "Deployment").items():
        assert "replicas" not in one["spec"]
        spread = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread[0]["topologyKey"] == "topology.kubernetes.io/zone"
        assert [chosen(each["labelSelector"]["matchLabels"]) for each in spread] == [{name}] * 2


def test_there_are_connections_and_partitions_for_all_that_may_run(
    everything: list[Json], environment: str, tmp_path: Path
) -> None:
    maps = [m for m in everything if m["metadata"]["name"].startswith("shop-settings-blue")]
    settings = settings_of(maps, tmp_path)
    scalers = of_kind(everything, "HorizontalPodAutoscaler")
    most = {name: one["spec"]["maxReplicas"] for name, one in scalers.items()}
    assert most["shop-consumer-blue"] <= settings.bus.partitions
    replicas = most["shop-api-blue"] + most["shop-consumer-blue"]
    connections = 2 * settings.database.pool * replicas
    text = (K8S / "overlays" / environment / "settings" / "settings.env").read_text()
    text = " ".join(text.replace("#", " ").split())
    assert f"{replicas} replicas have {connections} at most" in text
    assert f"max_connections of the server above {2 * connections}." in text


def test_the_way_in_is_encrypted_and_is_the_sites_own(
    everything: list[Json], tmp_path: Path
) -> None:
    [ingress] = of_kind(everything, "Ingress").values()
    maps = [m for m in everything if m["metadata"]["name"].startswith("shop-settings-blue")]
    host = settings_of(maps, tmp_path).site.url.removeprefix("https://")
    [rule] = ingress["spec"]["rules"]
    assert rule["host"] == host
    assert ingress["spec"]["tls"] == [{"hosts": [host], "secretName": "shop-tls"}]
    [path] = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "shop", "port": {"name": "http"}}


def test_nobody_talks_to_anybody_but_who_must(everything: list[Json]) -> None:
    policies = of_kind(everything, "NetworkPolicy")
    deny = policies.pop("default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    parts = {labels(pod)["app.kubernetes.io/component"] for _, pod in templates(everything)}
    assert parts == {"api", "consumer", "migrate", "backup", "smoke"}
    out: dict[str, set[str]] = {part: set() for part in parts}
    into: dict[str, set[str]] = {part: set() for part in parts}
    for name, policy in policies.items():
        spec = policy["spec"]
        for part in parts:
            if chooses(spec["podSelector"], part):
                (out if "Egress" in spec["policyTypes"] else into)[part].add(name)
    servers = {"dns", "database"}
    assert out == {
        "api": servers | {"redis", "https"},
        "consumer": servers | {"redis", "https", "kafka", "smtp"},
        "migrate": servers | {"kafka"},
        "backup": servers | {"https"},
        "smoke": {"dns", "smoke"},
    }
    assert into == {
        "api": {"ingress-to-api", "smoke-to-api", "prometheus-to-ops"},
        "consumer": {"prometheus-to-ops"},
        "migrate": set(),
        "backup": set(),
        "smoke": set(),
    }
    wanted = {"database": 3306, "redis": 6379, "kafka": 9096, "smtp": 587, "https": 443}
    for name, port in wanted.items():
        [rule] = policies[name]["spec"]["egress"]
        [one] = rule["ports"]
        assert one["port"] <= port <= one.get("endPort", one["port"])
        for where in rule["to"]:
            if where["ipBlock"]["cidr"] == "0.0.0.0/0":
                assert "169.254.0.0/16" in where["ipBlock"]["except"]


def chooses(selector: Json, part: str) -> bool:
    exact = selector.get("matchLabels", {}).get("app.kubernetes.io/component", part)
    among = [one["values"] for one in selector.get("matchExpressions", [])]
    return bool(exact == part and all(part in values for values in among))


def test_a_backup_is_made_every_day_and_kept_for_thirty(everything: list[Json]) -> None:
    [job] = of_kind(everything, "CronJob").values()
    assert re.fullmatch(r"\d+ \d+ \* \* \*", job["spec"]["schedule"])
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = spec["containers"]
    words = backup.make_context("backup", container["args"][1:]).params
    assert words["keep_days"] == 30
    [mount] = [m for m in container["volumeMounts"] if m["mountPath"] == str(words["folder"])]
    [volume] = [v for v in spec["volumes"] if v["name"] == mount["name"]]
    claims = of_kind(everything, "PersistentVolumeClaim")
    assert volume["persistentVolumeClaim"]["claimName"] in claims


def test_autoscalers_ask_for_what_the_adapter_gives(everything: list[Json]) -> None:
    rules = yaml.safe_load((K8S / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    given = {rule["name"]["as"] for rule in rules}
    asked = {
        metric["pods"]["metric"]["name"]
        for scaler in of_kind(everything, "HorizontalPodAutoscaler").values()
        for metric in scaler["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    assert asked == given


# -- what may be added ------------------------------------------------------------------------


def test_an_overlay_with_the_components_for_aws_and_a_vault_renders(tmp_path: Path) -> None:
    checker("kubectl")
    folder = tmp_path.resolve()
    made = {
        "resources": [os.path.relpath(K8S / "overlays" / "production", folder)],
        "components": [
            os.path.relpath(K8S / "components" / name, folder)
            for name in ("aws", "external-secrets")
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(made))
    found = objects(kustomized(folder))
    own = [one for one in found if one["kind"] != "ExternalSecret"]  # of no schema of Kubernetes
    (tmp_path / "rendered.yaml").write_text(yaml.dump_all(own))
    valid(tmp_path / "rendered.yaml")
    ingress = of_kind(found, "Ingress")["shop"]
    assert ingress["spec"]["ingressClassName"] == "alb"
    notes = ingress["metadata"]["annotations"]
    about = notes["alb.ingress.kubernetes.io/load-balancer-attributes"]
    [idle] = re.findall(r"idle_timeout\.timeout_seconds=(\d+)", about)
    assert int(idle) < IDLE
    policies = of_kind(found, "NetworkPolicy")
    [way] = policies["ingress-to-api"]["spec"]["ingress"]
    assert way["from"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    for name in ("database", "redis", "kafka"):
        [rule] = policies[name]["spec"]["egress"]
        assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    assert len(policies["https"]["spec"]["egress"]) == 2
    assert of_kind(found, "ExternalSecret").keys() == {"shop", "shop-backup"}


# -- the smoke test ---------------------------------------------------------------------------


def smoke(address: str) -> "subprocess.CompletedProcess[str]":
    program = (K8S / "colour" / "smoke.py").read_text()
    program = re.sub(r"PATIENCE = \S+", "PATIENCE = 0.1", program)
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", program, address], capture_output=True, text=True, check=False
    )


def test_the_smoke_test_passes_a_shop_that_sells_and_one_that_is_empty(tmp_path: Path) -> None:
    production = {
        "SHOP_SITE_MODE": "production",
        "SHOP_SITE_URL": "https://shop.example.com",
        "SHOP_SECURITY_SECRET": SECRETS["security-secret"],
    }
    with Shop(tmp_path, **production) as shop:
        running = shop.run()
        done = smoke(shop.url)
        assert done.returncode == 0, done.stderr
        assert "Nothing is on sale" in done.stdout
        assert running.stop() == 0
        filled(tmp_path)
        shop.run()
        done = smoke(shop.url)
        assert done.returncode == 0, done.stderr
        assert f"{shop.url}/api/v1/cart/items answers well." in done.stdout


def test_the_smoke_test_fails_what_does_not_answer(tmp_path: Path) -> None:
    done = smoke(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    with Shop(tmp_path) as shop:
        shop.run()
        done = smoke(f"{shop.url}/nowhere")
    assert done.returncode == 1
    assert "answers 404" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# -- the guides -------------------------------------------------------------------------------


def known(name: str) -> bool:
    """Whether the shop would take a variable of that name."""
    section, _, key = name.removeprefix("SHOP_").lower().partition("_")
    sections = {one.name: one.type for one in fields(Settings)}
    if section not in sections:
        return False
    keys = {one.encode_name for one in fields(sections[section])}
    return key in keys or key.removesuffix("_file") in keys


@pytest.mark.parametrize("guide", ["kubernetes.md", "aws.md"])
def test_each_setting_that_a_guide_names_is_a_real_one(guide: str) -> None:
    text = (DOCS / guide).read_text()
    named = set(re.findall(r"\bSHOP_[A-Z0-9_]+[A-Z0-9]\b", text))
    assert named
    assert {name for name in named if not known(name)} == set()
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (DOCS / target).exists(), target


def test_the_guide_to_aws_says_where_each_server_goes() -> None:
    text = (DOCS / "aws.md").read_text()
    for setting in (
        "DATABASE_URL",
        "CACHE_URL",
        "BUS_URL",
        "MAIL_URL",
        "MEDIA_URL",
        "HTTP_PROXIES",
    ):
        assert re.search(rf"^\|.*`SHOP_{setting}", text, re.MULTILINE), setting
    for example in re.findall(r"`(kafka://\S+?)`", text):
        Cluster(example)
