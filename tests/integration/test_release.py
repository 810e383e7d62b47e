"""`deploy/release` moves customers only to what works, and back from what does not."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.fake_kubectl import CLUSTER, REAL, Json, cluster as stored
from tests.kit.process import ROOT

KUBECTL = ROOT / ".venv" / "checks" / "bin" / "kubectl"
RELEASE = ROOT / "deploy" / "release"
FAKE = ROOT / "tests" / "kit" / "fake_kubectl.py"
OLD, NEW, NEWER = (f"registry.example.com/shop@sha256:{digit * 64}" for digit in "abc")
QUICK = ("--pause=0.01", "--watch=0.05", "--timeout=0.2", "--migration-timeout=0.2")


@pytest.fixture(autouse=True)
def kubectl_is_there() -> None:
    if not KUBECTL.exists():
        text = "NO KUBECTL: run `make .venv/checks/.installed`. RELEASES WERE NOT TRIED."
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


class Cluster:
    """A cluster in a file, and the script beside it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.json"
        self.file.write_text('{"objects": {}, "trouble": {}, "did": [], "story": []}')
        shim = folder / "bin" / "kubectl"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -P {FAKE} "$@"\n')
        shim.chmod(0o755)
        self.environ = os.environ | {
            "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            CLUSTER: str(self.file),
            REAL: str(KUBECTL),
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603
            [sys.executable, RELEASE, *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def release(self, image: str, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.run("staging", image, *QUICK, *words)

    def released(self, *images: str) -> None:
        for image in images:
            done = self.release(image)
            assert done.returncode == 0, done.stdout + done.stderr

    @property
    def state(self) -> Json:
        with stored(self.file) as state:
            return state

    def save(self, state: Json) -> None:
        with stored(self.file) as kept:
            kept.update(state)

    def trouble(self, **kinds: Any) -> None:
        self.save({"trouble": kinds})

    def forget(self) -> None:
        self.save({"did": [], "story": []})

    def object(self, kind: str, name: str) -> Json:
        found: Json = self.state["objects"][f"{kind}/{name}"]
        return found

    @property
    def live(self) -> str | None:
        colour: str | None = self.object("service", "shop")["spec"]["selector"].get("shop/colour")
        return colour

    def image(self, colour: str) -> str:
        spec = self.object("deployment", f"shop-api-{colour}")["spec"]["template"]["spec"]
        image: str = spec["containers"][0]["image"]
        return image

    @property
    def backs_up_with(self) -> str:
        job = self.object("cronjob", "shop-backup")["spec"]["jobTemplate"]["spec"]
        image: str = job["template"]["spec"]["containers"][0]["image"]
        return image

    def replicas(self, part: str, colour: str) -> int:
        number: int = self.object("deployment", f"shop-{part}-{colour}")["spec"]["replicas"]
        return number

    def switches(self) -> list[str]:
        """The colours that the Service was moved to, in order."""
        patches = [patch for kind, _, patch in self.state["story"] if kind == "service"]
        return [p["spec"]["selector"]["shop/colour"] for p in patches if "spec" in p]


@pytest.fixture
def empty(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What a first release leaves behind."""
    cluster = Cluster(tmp_path_factory.mktemp("release"))
    cluster.released(OLD)
    return cluster.state | {"did": [], "story": []}


@pytest.fixture
def cluster(empty: Cluster, once: Json) -> Cluster:
    """OLD serves, in blue."""
    empty.save(once)
    return empty


def test_the_first_release_makes_everything_and_serves(empty: Cluster) -> None:
    cluster = empty
    done = cluster.release(OLD)
    assert done.returncode == 0, done.stderr
    assert cluster.live == "blue"
    assert cluster.image("blue") == OLD
    assert cluster.backs_up_with == OLD
    assert cluster.state["objects"].keys() >= {
        *("namespace/shop-staging", "ingress/shop", "networkpolicy/default-deny"),
        *("job/shop-migrate-blue", "deployment/shop-consumer-blue"),
    }
    assert "Released: blue serves" in done.stdout


def test_the_next_release_goes_into_the_idle_colour_and_leaves_the_other_ready(
    cluster: Cluster,
) -> None:
    cluster.released(NEW)
    assert cluster.live == "green"
    assert (cluster.image("blue"), cluster.image("green")) == (OLD, NEW)
    assert cluster.backs_up_with == NEW
    assert cluster.replicas("api", "blue") == 2
    assert (cluster.replicas("consumer", "blue"), cluster.replicas("consumer", "green")) == (0, 2)
    cluster.released(NEWER)
    assert (cluster.live, cluster.image("blue")) == ("blue", NEWER)
    assert (cluster.replicas("consumer", "blue"), cluster.replicas("consumer", "green")) == (2, 0)


def test_it_migrates_gets_ready_and_tries_before_it_switches(cluster: Cluster) -> None:
    done = cluster.release(NEW)
    said = [line.partition(" ")[2] for line in done.stdout.splitlines()]
    marks = ["green gets", "Migrating", "green: api 2 of 2", "Trying", "Switched", "Watching"]
    places = [next(n for n, line in enumerate(said) if mark in line) for mark in marks]
    assert places == sorted(places)
    kinds = [kind for kind, _, _ in cluster.state["story"]]
    assert kinds.index("job") < kinds.index("service")
    assert cluster.switches() == ["green"]


def test_the_idle_colour_gets_as_many_pods_as_the_live_one_carries_the_load_with(
    cluster: Cluster,
) -> None:
    state = cluster.state
    state["objects"]["deployment/shop-api-blue"]["spec"]["replicas"] = 4
    cluster.save(state)  # as its autoscaler would
    done = cluster.release(NEW)
    assert "green: api 4 of 4 ready" in done.stdout
    least = [
        patch["spec"]["minReplicas"]
        for kind, name, patch in cluster.state["story"]
        if (kind, name) == ("hpa", "shop-api-green")
    ]
    assert least == [4, 2]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ({"failing": ["shop-migrate-green"]}, "The Job shop-migrate-green has failed."),
        ({"failing": ["shop-smoke-green"]}, "The Job shop-smoke-green has failed."),
        (
            {"waiting": {"migrate": "ImagePullBackOff"}},
            "The Job shop-migrate-green cannot start: ImagePullBackOff.",
        ),
        (
            {"unready": ["green"], "waiting": {"api": "CrashLoopBackOff"}},
            "green: api 0 of 2 ready after 0 s: CrashLoopBackOff.",
        ),
        ({"silent": True}, "Prometheus cannot be asked"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_work_never_gets_a_customer(
    cluster: Cluster, trouble: Json, why: str
) -> None:
    cluster.trouble(**trouble)
    done = cluster.release(NEW)
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cluster.switches() == []
    assert (cluster.live, cluster.backs_up_with) == ("blue", OLD)
    if trouble != {"silent": True}:
        assert "Nothing was switched: blue serves on." in done.stderr
        assert cluster.replicas("consumer", "green") == 0
    cluster.trouble()
    cluster.released(NEW)
    assert cluster.live == "green"


def test_a_failed_smoke_test_shows_what_it_said(empty: Cluster) -> None:
    cluster = empty
    cluster.trouble(failing=["shop-smoke-blue"])
    done = cluster.release(OLD)
    assert "smoke: job/shop-smoke-blue says why." in done.stdout
    assert done.stderr.endswith("Nothing was switched: nobody serves yet.\n")


def test_a_failing_watch_switches_back_by_itself(cluster: Cluster) -> None:
    cluster.trouble(errors={"green": 0.05})
    done = cluster.release(NEW)
    assert done.returncode == 3
    assert done.stderr == (
        f"release: 5.0% of the requests to green fail. Switched back: blue serves {OLD}.\n"
    )
    assert cluster.switches() == ["green", "blue"]
    assert (cluster.live, cluster.backs_up_with) == ("blue", OLD)
    assert (cluster.replicas("consumer", "blue"), cluster.replicas("consumer", "green")) == (2, 0)
    again = cluster.run("rollback", "staging")
    assert again.returncode == 1
    assert "There is no release to go back to." in again.stderr


def test_a_few_errors_are_no_reason_to_go_back(cluster: Cluster) -> None:
    cluster.trouble(errors={"green": 0.009})
    assert cluster.release(NEW).returncode == 0
    assert cluster.live == "green"


def test_who_cannot_be_watched_any_more_is_not_trusted(cluster: Cluster) -> None:
    process = cluster.start("staging", NEW, "--pause=0.01", "--watch=60")
    assert process.stdout is not None
    for line in process.stdout:
        if "Watching" in line:
            cluster.trouble(silent=True)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3
    assert "It cannot be watched" in err
    assert cluster.live == "blue"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_interrupted_while_watching_goes_back(
    cluster: Cluster, number: signal.Signals
) -> None:
    process = cluster.start("staging", NEW, "--pause=0.01", "--watch=60")
    assert process.stdout is not None
    for line in process.stdout:
        if "Watching" in line:
            process.send_signal(number)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3
    assert "Interrupted" in err
    assert cluster.live == "blue"
    cluster.released(NEW)


def test_who_is_interrupted_before_the_switch_leaves_everything_as_it_was(
    cluster: Cluster,
) -> None:
    cluster.trouble(unready=["green"])
    process = cluster.start("staging", NEW, "--pause=0.01")
    assert process.stdout is not None
    for line in process.stdout:
        if "green: api 0 of 2 ready" in line:
            process.send_signal(signal.SIGTERM)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err == "release: Interrupted by SIGTERM. Nothing was switched: blue serves on.\n"
    assert (cluster.live, cluster.switches()) == ("blue", [])
    cluster.trouble()
    cluster.released(NEW)


def test_a_way_back_that_is_barred_is_cried_out(cluster: Cluster) -> None:
    process = cluster.start("staging", NEW, "--pause=0.01", "--watch=60")
    assert process.stdout is not None
    for line in process.stdout:
        if "Watching" in line:
            cluster.trouble(errors={"green": 0.5}, refused=["patch"])
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "GOING BACK FAILED as well" in err
    cluster.trouble()
    assert "was interrupted while it was watched" in cluster.run("status", "staging").stdout
    assert cluster.run("rollback", "staging").returncode == 0
    assert cluster.live == "blue"


def test_who_is_killed_while_watching_can_be_watched_on_or_gone_back_from(
    cluster: Cluster,
) -> None:
    process = cluster.start("staging", NEW, "--pause=0.01", "--watch=60")
    assert process.stdout is not None
    for line in process.stdout:
        if "Watching" in line:
            break
    process.kill()
    process.communicate()
    assert cluster.live == "green"
    locked = cluster.release(NEW)
    assert locked.returncode == 1
    assert "is releasing to staging just now; nothing was done." in locked.stderr
    state = cluster.state
    state["objects"]["lease/shop-release"]["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z"
    cluster.save(state)  # two minutes pass
    assert "was interrupted while it was watched" in cluster.run("status", "staging").stdout
    other = cluster.release(NEWER)
    assert other.returncode == 1
    assert "watches on" in other.stderr
    cluster.trouble(errors={"green": 0.5})
    assert cluster.release(NEW).returncode == 3
    assert cluster.live == "blue"


def test_the_same_again_changes_nothing(cluster: Cluster) -> None:
    cluster.released(NEW)
    cluster.forget()
    done = cluster.release(NEW)
    assert done.returncode == 0
    assert "is live already (green); nothing to do." in done.stdout
    assert cluster.state["story"] == []
    assert cluster.release(NEW, "--again").returncode == 0
    assert (cluster.live, cluster.image("blue")) == ("blue", NEW)


def test_rollback_goes_to_the_release_before_and_not_to_one_that_failed(cluster: Cluster) -> None:
    first = cluster.run("rollback", "staging")
    assert first.returncode == 1
    assert "There is no release to go back to." in first.stderr
    cluster.released(NEW)
    back = cluster.run("rollback", "staging")
    assert back.returncode == 0, back.stderr
    assert (cluster.live, cluster.backs_up_with) == ("blue", OLD)
    assert (cluster.replicas("consumer", "blue"), cluster.replicas("consumer", "green")) == (2, 0)
    cluster.released(NEW)
    cluster.trouble(failing=["shop-smoke-blue"])
    assert cluster.release(NEWER).returncode == 1
    cluster.trouble()
    refused = cluster.run("rollback", "staging")
    assert refused.returncode == 1
    assert f"blue holds {NEWER}, which never served" in refused.stderr
    assert cluster.live == "green"


def test_rollback_to_pods_that_do_not_get_ready_is_refused(cluster: Cluster) -> None:
    cluster.released(NEW)
    cluster.trouble(unready=["blue"])
    refused = cluster.run("rollback", "staging", "--timeout=0.1", "--pause=0.01")
    assert refused.returncode == 1
    assert "Nothing was switched: green serves on." in refused.stderr
    assert cluster.live == "green"


def test_status_says_what_serves(empty: Cluster, cluster: Cluster, once: Json) -> None:
    empty.save(once | {"objects": {}})
    assert empty.run("status", "staging").stdout == "blue   empty\ngreen  empty\n"
    cluster.save(once)
    cluster.released(NEW)
    assert cluster.run("status", "staging").stdout == (
        f"blue   idle  {OLD}  api 2 of 2 ready, consumer 0 of 0 ready\n"
        f"green  LIVE  {NEW}  api 2 of 2 ready, consumer 2 of 2 ready\n"
    )


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(cluster: Cluster) -> None:
    before = cluster.state["objects"]
    done = cluster.release(NEW, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert cluster.state["objects"] == before
    assert f"overlays/staging/green with {NEW}" in done.stdout
    assert "would run: kubectl --namespace shop-staging patch service shop" in done.stdout


def test_a_cluster_that_refuses_ends_it_in_one_line(cluster: Cluster) -> None:
    cluster.trouble(refused=["get"])
    done = cluster.release(OLD)
    assert done.returncode == 1
    assert done.stderr == (
        "release: kubectl get namespace shop-staging: "
        "Unable to connect to the server: no route to host\n"
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("staging", "shop"), "is no image"),
        (("staging", "shop:latest"), "name a version"),
        (("moon", NEW), "invalid choice"),
        (("staging",), "IMAGE"),
    ],
)
def test_wrong_words_are_refused(cluster: Cluster, words: tuple[str, ...], why: str) -> None:
    done = cluster.run(*words)
    assert done.returncode == 2
    assert why in done.stderr


def test_all_that_it_does_its_role_permits(cluster: Cluster) -> None:
    """The Role that administrators bind to the CI server, compared with what was asked for."""
    cluster.released(NEW)
    cluster.run("rollback", "staging")
    cluster.trouble(failing=["shop-smoke-green"])
    cluster.release(NEWER)
    role = yaml.safe_load((ROOT / "deploy" / "k8s" / "release-role.yaml").read_text())
    permitted = {
        (verb, resource)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    outside = {"namespace", "services/proxy"}  # of the administrator, and of monitoring
    for verb, kind in cluster.state["did"]:
        if kind in outside:
            continue
        plural = kind if "/" in kind or kind.endswith("s") else f"{kind}s"
        plural = re.sub("ys$", "ies", plural).replace("ingresss", "ingresses")
        plural = "ingresses" if plural == "ingress" else plural
        assert (verb, plural) in permitted, (verb, kind)
