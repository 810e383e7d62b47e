"""A `kubectl` that keeps its cluster in a file, for tests of `deploy/release`.

What the real one renders is what it stores. Deployments are ready and Jobs done at once, unless the
file's `trouble` says otherwise:

    unready     colours whose pods never get ready
    waiting     why the pods of a component do not start
    failing     Jobs that fail
    errors      share of requests that fail, by colour
    silent      Prometheus does not answer
    refused     verbs that the cluster refuses
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]
#: Where the cluster is, and the kubectl that renders.
CLUSTER, REAL = "FAKE_CLUSTER", "REAL_KUBECTL"
_KINDS = {"hpa": "horizontalpodautoscaler"}
_LAST = "last-applied"


class Refused(Exception):
    """What kubectl would write to stderr."""


@contextmanager
def cluster(file: Path) -> Iterator[Json]:
    """The state, for one process at a time; what is changed is kept."""
    with file.open("r+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        state: Json = json.load(opened)
        yield state
        opened.seek(0)
        opened.truncate()
        json.dump(state, opened)


def merged(last: Any, current: Any, new: Any) -> Any:
    """As `kubectl apply` does: what it never set stays."""
    if not (isinstance(current, dict) and isinstance(new, dict)):
        return new
    gone = set(last if isinstance(last, dict) else {}) - set(new)
    kept = {key: value for key, value in current.items() if key not in gone}
    own = last if isinstance(last, dict) else {}
    return kept | {k: merged(own.get(k), current.get(k), v) for k, v in new.items()}


def patched(current: Any, patch: Any) -> Any:
    """A merge patch; null takes away."""
    if not (isinstance(current, dict) and isinstance(patch, dict)):
        return patch
    made = current | {key: patched(current.get(key, {}), value) for key, value in patch.items()}
    return {key: value for key, value in made.items() if value is not None}


class Kubectl:
    def __init__(self, state: Json, namespace: str) -> None:
        self._state = state
        self._objects: dict[str, Json] = state["objects"]
        self._trouble: Json = state["trouble"]
        self._namespace = namespace

    def run(self, verb: str, words: list[str]) -> str:
        if verb in self._trouble.get("refused", []):
            raise Refused("Unable to connect to the server: no route to host")
        options = {w.partition("=")[0]: w.partition("=")[2] for w in words if w.startswith("--")}
        plain = [word for word in words if not word.startswith("--")]
        ways: dict[str, Callable[[], str | None]] = {
            "get": lambda: self._get(plain, options),
            "apply": lambda: self._apply(words),
            "create": lambda: self._write("create", json.load(sys.stdin)),
            "replace": lambda: self._write("replace", json.load(sys.stdin)),
            "patch": lambda: self._patch(plain[0], plain[1], json.loads(plain[2])),
            "scale": lambda: self._scale(plain[0], int(options["--replicas"])),
            "set": lambda: self._set_image(plain[1], plain[2]),
            "delete": lambda: self._delete(plain[0], plain[1]),
            "logs": lambda: self._logs(plain[0]),
        }
        return ways[verb]() or ""

    # -- what is there ------------------------------------------------------------------------

    def _get(self, plain: list[str], options: dict[str, str]) -> str:
        if "--raw" in options:
            self._did("get", "services/proxy")
            return self._prometheus(plain[0])
        if plain[0] == "pods":
            self._did("list", "pods")
            return json.dumps({"items": self._pods(options["--selector"])})
        return json.dumps(self._seen(self._found("get", plain[0], plain[1])))

    def _logs(self, what: str) -> str:
        self._did("get", "pods/log")
        return f"smoke: {what} says why.\n"

    def _did(self, verb: str, resource: str) -> None:
        self._state["did"].append([verb, resource])

    def _found(self, verb: str, kind: str, name: str) -> Json:
        kind = _KINDS.get(kind, kind)
        self._did(verb, kind)
        if (found := self._objects.get(f"{kind}/{name}")) is None:
            raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
        return found

    def _seen(self, found: Json) -> Json:
        """With the status that controllers would have written by now."""
        name, kind = found["metadata"]["name"], found["kind"]
        if kind == "Deployment":
            return found | {"status": self._rollout(name, found["spec"]["replicas"])}
        if kind == "Job" and not found["spec"].get("suspend"):
            if name.split("-")[1] in self._trouble.get("waiting", {}):
                return found
            how = "Failed" if name in self._trouble.get("failing", []) else "Complete"
            return found | {"status": {"conditions": [{"type": how, "status": "True"}]}}
        return found

    def _rollout(self, name: str, replicas: int) -> Json:
        ready = not any(name.endswith(one) for one in self._trouble.get("unready", []))
        return {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas if ready else 0,
        }

    def _pods(self, selector: str) -> list[Json]:
        wanted = dict(part.split("=") for part in selector.split(","))
        part = wanted["app.kubernetes.io/component"]
        why = self._trouble.get("waiting", {}).get(part)
        state = {"waiting": {"reason": why}} if why else {"running": {}}
        return [{"status": {"containerStatuses": [{"restartCount": 0, "state": state}]}}]

    def _prometheus(self, path: str) -> str:
        if self._trouble.get("silent"):
            raise Refused("Error from server (ServiceUnavailable): no endpoints available")
        colour = unquote(path).partition("shop-api-")[2].partition("-")[0]
        share = self._trouble.get("errors", {}).get(colour, 0.0) if "5.." in unquote(path) else 1.0
        value = [{"metric": {}, "value": [0, str(1000 * share)]}]
        return json.dumps({"status": "success", "data": {"result": value}})

    # -- what changes it ----------------------------------------------------------------------

    def _apply(self, words: list[str]) -> str:
        how, where = words[0], words[1]
        if how == "--kustomize":
            text = subprocess.run(  # noqa: S603
                [os.environ[REAL], "kustomize", where], capture_output=True, text=True, check=True
            ).stdout
        else:
            text = Path(where).read_text()
        # Most calls read no YAML, and are three times as fast without it.
        import yaml  # noqa: PLC0415

        for new in yaml.load_all(text, yaml.CSafeLoader):
            self._put(new)
        return text

    def _put(self, new: Json) -> None:
        kind = new["kind"].lower()
        place = new["metadata"].get("namespace", self._namespace)
        if kind != "namespace" and place != self._namespace:
            raise Refused(f"the namespace {place} is not {self._namespace}")
        key = f"{kind}/{new['metadata']['name']}"
        before = self._objects.get(key)
        for verb in ("get", "patch" if before else "create"):
            self._did(verb, kind)
        if before is None:
            made = dict(new)
            if kind == "deployment":
                made["spec"] = {"replicas": 1} | new["spec"]
        elif kind == "job" and before["spec"]["template"] != new["spec"]["template"]:
            raise Refused("The Job is invalid: spec.template: field is immutable")
        else:
            made = merged(before[_LAST], before, new)
        self._objects[key] = made | {_LAST: new}

    def _write(self, verb: str, new: Json) -> None:
        kind, name = new["kind"].lower(), new["metadata"]["name"]
        self._did({"replace": "update"}.get(verb, verb), kind)
        before = self._objects.get(f"{kind}/{name}")
        if verb == "create" and before:
            raise Refused(f'Error from server (AlreadyExists): {kind} "{name}" already exists')
        version = (before or {}).get("metadata", {}).get("resourceVersion", 0)
        if verb == "replace" and new["metadata"].get("resourceVersion") != version:
            raise Refused("Error from server (Conflict): the object has been modified")
        made = new | {"metadata": new["metadata"] | {"resourceVersion": version + 1}}
        self._objects[f"{kind}/{name}"] = made

    def _patch(self, kind: str, name: str, patch: Json) -> None:
        found = self._found("patch", kind, name)
        found.update(patched(found, patch))
        self._state["story"].append([kind, name, patch])

    def _scale(self, what: str, replicas: int) -> None:
        self._did("patch", "deployments/scale")
        kind, _, name = what.partition("/")
        self._patch(kind, name, {"spec": {"replicas": replicas}})

    def _delete(self, kind: str, name: str) -> None:
        self._did("delete", kind)
        self._objects.pop(f"{kind}/{name}", None)

    def _set_image(self, what: str, assignment: str) -> None:
        kind, _, name = what.partition("/")
        container, _, image = assignment.partition("=")
        spec = self._found("patch", kind, name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for one in spec["containers"]:
            if one["name"] == container:
                one["image"] = image


def main() -> int:
    words = sys.argv[1:]
    namespace = ""
    while words[0].startswith("--"):
        if words[0] in {"--namespace", "--context"}:
            namespace = words[1] if words[0] == "--namespace" else namespace
            words = words[1:]
        words = words[1:]
    # Options that take the next word.
    flat = [w for w in words[1:] if w not in {"--patch", "--raw", "--filename"} or w == "--raw"]
    rest = words[1:] if words[0] == "apply" else flat
    with cluster(Path(os.environ[CLUSTER])) as state:
        try:
            sys.stdout.write(Kubectl(state, namespace).run(words[0], rest))
        except Refused as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
