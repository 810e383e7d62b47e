"""Collects in one folder what the image is made of: Python, the environment, some programs, and
what these load. Whatever else the base image has (a shell, a package manager, Perl) stays behind.

    python rootfs.py FOLDER ENVIRONMENT PATH…
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from py_compile import PycInvalidationMode

#: Data that programs look up, where the base has it.
_DATA = (
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/services",
    "/usr/lib/ssl/certs",
    "/usr/lib/ssl/openssl.cnf",
    "/usr/share/zoneinfo",
)
_TOYS = ("test", "idlelib", "turtledemo", "tkinter", "pydoc_data", "ensurepip", "config-*")
#: What nobody needs at run time.
_LEFT_OUT = (
    # The standard library's tests and toys, what installs packages, what builds extensions.
    *(f"python3.[0-9][0-9]/{name}" for name in _TOYS),
    *("site-packages/pip", "site-packages/pip-*"),
    # Time zones under second names.
    *("zoneinfo/posix", "zoneinfo/right"),
    # Sources of what is compiled, and what only editors and type checkers read.
    *("*.c", "*.cpp", "*.h", "*.pyx", "*.pxd", "*.pyi", "*.a", "*.map", "__pycache__"),
    # With these Litestar invents examples for API documents; ours are written by hand.
    *("faker", "faker-*", "polyfactory", "polyfactory-*"),
    # The package brings Swagger UI three times, and an editor; two of its files are served.
    *("swagger-editor*", "swagger-ui-es-*", "swagger-ui-standalone*", "swagger-ui.js"),
)


class Rootfs:
    """The folder that becomes `/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Paths in the base, each once, that were copied.
        self.copied: dict[Path, None] = {}

    def add(self, path: Path) -> None:
        """A file, a link with what it points to, or a folder without what is left out."""
        path = self._linked(path)
        if path in self.copied or not os.path.lexists(path):
            return
        self.copied[path] = None
        target = self.at(path)
        if path.is_symlink():
            self._link(path)
            self.add(path.parent / path.readlink())
        elif path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            for inside in sorted(path.iterdir()):
                if not _left_out(inside):
                    self.add(inside)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)

    def at(self, path: Path) -> Path:
        return self._folder / path.relative_to("/")

    def _linked(self, path: Path) -> Path:
        """The same path without links among its parents, which are made here as they are there."""
        path = Path(os.path.normpath(path))
        for parent in reversed(path.parents):
            if parent.is_symlink():
                self._link(parent)
                return self._linked(parent.parent / parent.readlink() / path.relative_to(parent))
        return path

    def _link(self, path: Path) -> None:
        target = self.at(path)
        if not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.readlink())

    def libraries(self) -> None:
        """Add what the programs and modules here are linked with."""
        for library in _linked_with(filter(_is_elf, self.copied)):
            self.add(library)

    def strip(self) -> None:
        """Drop the symbols for debuggers; wheels bring them, the system's packages do not."""
        inside = [str(self.at(path)) for path in self.copied if _is_elf(path)]
        _run("strip", "--strip-unneeded", *inside)

    def packages(self) -> None:
        """Keep the record and the licence of each package a file is of, where scanners look."""
        files = [str(path) for path in self.copied if not path.is_dir()]
        found = _run("dpkg-query", "--search", *files)
        for name in sorted({line.partition(":")[0] for line in found if ": /" in line}):
            record = self._folder / "var/lib/dpkg/status.d" / name
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text("\n".join(_run("dpkg-query", "--status", name)) + "\n")
            self.add(Path("/usr/share/doc", name, "copyright"))

    def compile(self) -> None:
        """Bytecode in place of the sources, which nobody changes here: it starts sooner and is
        half as big. A traceback still has file and line."""
        done = compileall.compile_dir(
            self._folder,
            maxlevels=30,
            quiet=1,
            workers=0,
            legacy=True,
            stripdir=str(self._folder),
            prependdir="/",
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            sys.exit("rootfs.py: some module cannot be compiled.")
        for compiled in self._folder.rglob("*.pyc"):
            compiled.with_suffix(".py").unlink()


def _left_out(path: Path) -> bool:
    return any(fnmatch(str(path), f"*/{pattern}") for pattern in _LEFT_OUT)


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _linked_with(modules: Iterable[Path]) -> Iterator[Path]:
    for line in _run("ldd", *map(str, modules)):
        if found := re.search(r"(/\S+) \(0x", line):
            yield Path(found[1])


def _run(*command: str) -> list[str]:
    # Both ask about much at once, and end badly when one of it is nothing to them.
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.splitlines()


def main() -> None:
    folder, environment, *more = map(Path, sys.argv[1:])
    rootfs = Rootfs(folder)
    python = Path(sysconfig.get_path("stdlib"))
    parts = (environment / "pyvenv.cfg", environment / "lib", *environment.glob("bin/python*"))
    for path in (*parts, python, *more, *map(Path, _DATA)):
        rootfs.add(path)
    rootfs.libraries()
    rootfs.strip()
    rootfs.packages()
    rootfs.compile()
    subprocess.run(["ldconfig", "-r", str(folder)], check=True)


if __name__ == "__main__":
    main()
