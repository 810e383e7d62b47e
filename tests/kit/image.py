"""The container image, really built, and run as a cluster would: by nobody, on a read-only root.

There is no registry here. What the Dockerfile starts from is made by debootstrap, from the mirror
of this machine's package manager, once into ~/.cache/shop (or $XDG_CACHE_HOME/shop), as are the
wheels. Building needs the right to mount, as root has it outside of most containers; without it
the tests are skipped, even where servers are required.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.kit.maven import cached
from tests.kit.process import ROOT, Running, Shop
from tests.kit.servers import Missing

_DOCKERFILE = ROOT / "Dockerfile"
#: Of the image that the Dockerfile starts from, as far as the build relies on it.
_PACKAGES = "ca-certificates,netbase,python-is-python3,python3,python3-venv,tzdata"
_NOT_IN_BASE = ("dev/*", "usr/share/locale/*", "usr/share/man/*", "var/cache/*", "var/lib/apt/*")
#: As an orchestrator does it: of the file system only /data can be written to, the process is the
#: first of its namespace, and it is nobody who could become somebody.
_ENTER = """
set -e
root=$1 data=$2 user=$3 group=$4; shift 4
mount --bind "$root" "$root"
mount --options remount,bind,ro "$root"
mount --types proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$data" "$root/data"
exec setpriv --no-new-privs \
  nsenter --root="$root" --wd="$root/data" --setgid="$group" --setuid="$user" -- "$@"
"""
_APART = ("unshare", "--mount", "--pid", "--fork")


def _run(*command: str | Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - named below
            [str(word) for word in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not installed; `make test-servers` installs it.") from None
    if done.returncode:
        raise Missing(f"{command[0]} failed: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return done.stdout


def _starts_from() -> tuple[str, str, str]:
    """The base image, its Python, and its release of Debian."""
    first = re.compile(r"^FROM (python:([\d.]+)-slim-(\w+)) AS", re.MULTILINE)
    found = first.search(_DOCKERFILE.read_text())
    assert found is not None, "The Dockerfile starts from something else."
    return found[1], found[2], found[3]


def _base(release: str) -> Path:
    """An archive of a root file system."""
    archive = cached(f"base-{release}-{platform.machine()}.tar")
    if archive.exists():
        return archive
    listed = _run("apt-get", "indextargets", "--format", "$(LABEL) $(SITE)")
    mirror = next(
        (
            line.removeprefix("Debian ")
            for line in listed.splitlines()
            if line.startswith("Debian ")
        ),
        "",
    )
    if not mirror:
        raise Missing("the package manager here knows no mirror of Debian.")
    with tempfile.TemporaryDirectory(dir=archive.parent) as made:
        root = Path(made, "root")
        _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, root, mirror)
        left_out = [f"--exclude=./{pattern}" for pattern in _NOT_IN_BASE]
        _run("tar", "--create", f"--file={made}/tar", f"--directory={root}", *left_out, ".")
        Path(made, "tar").rename(archive)
    return archive


def _to_the_mirror() -> list[str]:
    """How this machine reaches the mirror, said as the package manager reads it."""
    said = _run("apt-config", "dump").splitlines()
    proxies = ("Acquire::http::Proxy", "Acquire::https::Proxy")
    return [*(line for line in said if line.startswith(proxies)), 'Acquire::Retries "3";']


def _wheels(python: str) -> Path:
    """A folder with what the build installs; the machine's pip knows where that comes from."""
    locks = [ROOT / "requirements.lock", ROOT / "requirements-build.lock"]
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    folder = cached(f"wheels-{python}-{digest[:12]}")
    if folder.is_dir():
        return folder
    for old in folder.parent.glob(f"wheels-{python}-*"):
        shutil.rmtree(old)
    machine = platform.machine()
    fits = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(5, 42)]
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for lock in locks:
            _run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--require-hashes", "--only-binary=:all:", f"--python-version={python}"),
                *(*fits, f"--platform=manylinux2014_{machine}"),
                *(f"--requirement={lock}", f"--dest={made}/wheels"),
            )
        with contextlib.suppress(OSError):  # another run was quicker
            Path(made, "wheels").rename(folder)
    return folder


class Image:
    """Built when it is made. `root` is its file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        name, python, release = _starts_from()
        base, wheels = _base(release), _wheels(python)
        made = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", made, base, "/")
        self._buildah("commit", "--quiet", "--rm", made, f"docker.io/library/{name}")
        (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        (folder / "apt.conf").write_text("\n".join(_to_the_mirror()))
        try:
            self._buildah(
                *("build", "--pull-never", "--isolation=chroot", "--format=docker", "--tag=shop"),
                f"--volume={wheels}:/wheels:ro",
                f"--volume={folder}/pip.conf:/etc/pip.conf:ro",
                f"--volume={folder}/apt.conf:/etc/apt/apt.conf.d/99machine:ro",
                *("--build-arg=VERSION=1.2.3", f"--file={_DOCKERFILE}", ROOT),
            )
        except Missing as error:  # everything is there, so the Dockerfile is wrong
            raise AssertionError(str(error)) from None
        self.root = Path(self._buildah("mount", self._buildah("from", "--pull-never", "shop")))

    def _buildah(self, *words: str | Path) -> str:
        store = (f"--root={self._folder}/store", f"--runroot={self._folder}/run")
        return _run("buildah", *store, "--storage-driver=vfs", *words).strip()

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the image says about how it wants to be run."""
        told: dict[str, Any] = json.loads(self._buildah("inspect", "--type=image", "shop"))
        return dict(told["Docker"]["config"])

    @cached_property
    def environ(self) -> dict[str, str]:
        return dict(one.split("=", 1) for one in self.config["Env"])

    @cached_property
    def files(self) -> dict[str, os.stat_result]:
        """Everything in it, by path."""
        return {f"/{path.relative_to(self.root)}": path.lstat() for path in self.root.rglob("*")}

    def end(self) -> None:
        """Whatever still runs in it ends, also what a test has given up on."""
        for root in Path("/proc").glob("[0-9]*/root"):
            with contextlib.suppress(OSError):
                if root.samefile(self.root):
                    os.kill(int(root.parent.name), signal.SIGKILL)

    def unpacked(self) -> int:
        """Its size on a machine that runs it."""
        return sum(file.st_size for file in self.files.values() if stat.S_ISREG(file.st_mode))

    def packed(self) -> int:
        """Its size in a registry."""
        self._buildah("push", "--quiet", "shop", f"oci:{self._folder}/packed")
        return sum(path.stat().st_size for path in (self._folder / "packed").rglob("*"))

    def inside(self, data: Path, program: str) -> list[str]:
        """The start of a command that runs a program of the image, in a container of its own."""
        user, group = self.config["User"].split(":")
        found = next(
            f"{folder}/{program}"
            for folder in self.environ["PATH"].split(":")
            if f"{folder}/{program}" in self.files
        )
        return [*_APART, "sh", "-c", _ENTER, "sh", str(self.root), str(data), user, group, found]


class Contained(Running):
    """The process is the one that waits for the container; signals go to what runs inside."""

    def signal(self, number: int = signal.SIGTERM) -> None:
        waits = self.process.pid
        children = Path(f"/proc/{waits}/task/{waits}/children").read_text().split()
        for child in children:
            os.kill(int(child), number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()


class ImageShop(Shop):
    """The shop in a container, with a volume at /data and the network of this machine."""

    started_as = Contained

    def __init__(self, image: Image, folder: Path, **environ: str) -> None:
        super().__init__(folder, **environ)
        self._image = image
        self.data.mkdir()
        os.chown(self.data, *map(int, image.config["User"].split(":")))

    @property
    def program(self) -> list[str]:
        [entrypoint] = self._image.config["Entrypoint"]
        return self._image.inside(self.data, entrypoint)

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the image sets, the settings of the test, and nothing of this machine."""
        settings = super().environ(more)
        settings = {key: settings[key] for key in settings if key.startswith("SHOP_")}
        settings |= self._image.environ | {"SHOP_HTTP_HOST": "127.0.0.1"}
        return settings | dict(more or {})

    def python(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Another program of the image, beside the shop."""
        return subprocess.run(  # noqa: S603
            [*self._image.inside(self.data, "python"), *words],
            env=self.environ(environ),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    try:
        _run(*_APART, "true")
    except Missing:
        pytest.skip("NO CONTAINERS: only root with the right to mount can build and run the image.")
    folder = Path(tempfile.mkdtemp(prefix="shop-image-"))
    try:
        image = Image(folder)
        yield image
        image.end()
    except Missing as error:
        why = f"NO IMAGE: {error}"
        if os.environ.get("TEST_REQUIRE_SERVERS") == "1":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    finally:
        shutil.rmtree(folder)
