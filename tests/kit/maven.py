"""Programs on the Java machine; Maven fetches their libraries once into a cache."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.kit.servers import Missing

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shop</groupId><artifactId>for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>{}</dependencies>
</project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)


def cached(name: str) -> Path:
    """A place that outlives the run: ~/.cache/shop, or $XDG_CACHE_HOME/shop."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    (home / "shop").mkdir(parents=True, exist_ok=True)
    return home / "shop" / name


def on_java(name: str, *libraries: str) -> list[str]:
    """The start of a command with these libraries (`group:artifact:version`) on its class path."""
    program = shutil.which("java")
    if program is None:
        raise Missing("java is not installed; `make test-servers` installs a JDK.")
    return [program, "-cp", f"{_fetched(name, libraries)}/*"]


def _fetched(name: str, libraries: tuple[str, ...]) -> Path:
    # One at a time: of tests that run side by side the first fetches, and Maven's own cache is
    # not made for two.
    with cached("maven.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _fetched_alone(cached(name), name, libraries)


def _fetched_alone(folder: Path, name: str, libraries: tuple[str, ...]) -> Path:
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("mvn is not installed; `make test-servers` installs maven.")
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        wanted = "".join(_DEPENDENCY.format(*library.split(":")) for library in libraries)
        (Path(made) / "pom.xml").write_text(_POM.format(wanted))
        command = [maven, "-q", "-B", "-ntp", "dependency:copy-dependencies"]
        done = subprocess.run(  # noqa: S603 - found on the path
            [*command, f"-DoutputDirectory={made}/jars", "-DincludeScope=runtime"],
            cwd=made,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise Missing(f"Maven could not fetch {name}: {done.stdout[-500:]}")
        (Path(made) / "jars").rename(folder)
    return folder
