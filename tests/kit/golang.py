"""Programs that are written in Go; they are built once into a cache."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.kit.maven import cached
from tests.kit.servers import Missing


def go_program(package: str) -> Path:
    """The program of a package (`path@version`), whose checksums Go knows."""
    path, _, version = package.partition("@")
    name = path.rpartition("/")[2]
    built = cached(f"{name}-{version}")
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        raise Missing(f"Go is not installed, which builds {name} (Debian: golang-go).")
    with tempfile.TemporaryDirectory(dir=built.parent) as made:
        done = subprocess.run(  # noqa: S603 - found on the path
            [go, "install", package],
            cwd=made,
            env=os.environ | {"GOBIN": made},
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise Missing(f"Go could not build {name}: {done.stderr[-500:]}")
        with contextlib.suppress(OSError):  # another run was quicker
            (Path(made) / name).rename(built)
    return built
