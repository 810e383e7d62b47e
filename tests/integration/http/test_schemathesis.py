"""Whatever the published document allows, and much that it does not: never a 5xx, never undeclared.

The tool runs as a process of its own against a real shop: its engine brings its own event loop
and threads, and what it meets is what strangers meet.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.kit.process import PATIENCE, TIMEOUT, free_port, until
from tests.kit.site import API

EXAMPLES = 3
SECONDS = 600  # it takes 35 on a busy machine
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "response_headers_conformance"),
)
#: An event stream does not end; these would end the session that the tool uses.
LEFT_OUT = r"/events$|/logout$|/me/password$"
LEFT_OUT_TOO = "delete_me"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("shop")
    http, ops = free_port(), free_port()
    environ = os.environ | {
        "SHOP_DATA_DIR": str(folder),
        "SHOP_HTTP_PORT": str(http),
        "SHOP_OPS_PORT": str(ops),
        "SHOP_SITE_URL": f"http://127.0.0.1:{http}",
        "SHOP_LIMITS_ENABLED": "false",
        "SHOP_ADMIN_PASSWORD": "three green kettles",
    }
    with (folder / "log").open("wb") as log:
        made = [sys.executable, "-m", "shop", "create-admin", "--email", "boss@example.com"]
        migrated = [sys.executable, "-m", "shop", "migrate"]
        for command in (migrated, made):
            subprocess.run(command, env=environ, stdout=log, stderr=log, check=True)  # noqa: S603
        run = [sys.executable, "-m", "shop", "run"]
        process = subprocess.Popen(run, env=environ, stdout=log, stderr=log)  # noqa: S603
    try:

        def listens() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            return answers(http)

        until(listens)
        yield f"http://127.0.0.1:{http}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def token(url: str) -> str:
    body = json.dumps({"email": "boss@example.com", "password": "three green kettles"})
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}{API}/login", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        found: str = json.load(answer)["access_token"]
        return found


@pytest.mark.parametrize("who", ["nobody", "admin"])
def test_every_answer_is_one_that_the_document_declares(url: str, who: str, tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name("schemathesis")
    command = [
        *(str(tool), "--no-color", "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing", "-n", str(EXAMPLES), "--seed", "1"),
        *("--exclude-path-regex", LEFT_OUT, "--exclude-operation-id", LEFT_OUT_TOO),
        *("--request-timeout", str(TIMEOUT), "--warnings", "off"),
        *("--continue-on-failure", "--generation-database", "none"),
        *("--suppress-health-check", "too_slow"),
    ]
    if who == "admin":
        command += ["-H", f"Authorization: Bearer {token(url)}"]
    done = subprocess.run(  # noqa: S603
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
