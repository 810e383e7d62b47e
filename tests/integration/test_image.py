"""The image is really built and run: by nobody, on a read-only root, first of its namespace."""

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.kit.databases import DATABASES
from tests.kit.image import Image, ImageShop
from tests.kit.process import CATALOGUE, Purchase, until, variant_of

LIMIT = 200_000_000
#: What the shop imports anywhere, also within functions, must be in the image.
IMPORT_EVERYTHING = """
import ast, importlib, pathlib, shop

imported = set()
for file in pathlib.Path(shop.__path__[0]).rglob("*.py"):
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
# What sends traces is an extra, and nothing imports it without being asked to.
extra = ("opentelemetry", "shop.adapters.otel", "shop.traced")
for name in sorted(imported):
    if not name.startswith(extra):
        importlib.import_module(name)
print(len(imported))
"""
AUTHORITIES = """
import pathlib, ssl

known = ssl.get_default_verify_paths().capath
print(sum(file.exists() for file in pathlib.Path(known).glob("*.0")))
assert pathlib.Path("/etc/ssl/certs/ca-certificates.crt").exists()
"""
WHO_AND_WHERE = """
import errno, os, pathlib

pathlib.Path("here").touch()
for folder in ("/", "/etc", "/opt/shop", "/tmp", "/var/lib"):
    try:
        pathlib.Path(folder, "file").touch()
    except OSError as error:
        assert error.errno == errno.EROFS, error
    else:
        raise AssertionError(folder)
print(os.getpid(), os.getuid(), os.getgid(), os.getgroups(), os.getcwd())
"""


@pytest.fixture
def shop(image: Image, tmp_path: Path) -> ImageShop:
    return ImageShop(image, tmp_path)


def stocked(shop: ImageShop) -> None:
    (shop.data / "goods.csv").write_text(CATALOGUE + "mug,Mug,MUG-1,500,250.00\n")
    done = shop.command("import", "/data/goods.csv", "--format", "shopify")
    assert done.returncode == 0, done.stderr


# --- what it is made of --------------------------------------------------------------------------


def test_it_is_small(image: Image) -> None:
    assert image.unpacked() < LIMIT


def test_it_has_no_shell_no_installer_and_nothing_that_gives_rights(image: Image) -> None:
    names = {
        path.rpartition("/")[2]
        for path, file in image.files.items()
        if not stat.S_ISDIR(file.st_mode) and file.st_mode & stat.S_IXUSR
    }
    assert {"python", "shop", "mariadb-dump"} <= names
    assert not names & {"sh", "bash", "dash", "busybox", "apt-get", "dpkg", "pip", "perl", "su"}
    rights = [
        path
        for path, file in image.files.items()
        if stat.S_ISREG(file.st_mode) and file.st_mode & (stat.S_ISUID | stat.S_ISGID)
    ]
    assert rights == []


def test_only_the_data_folder_and_the_place_for_temporary_files_are_not_roots(
    image: Image,
) -> None:
    others = {
        path
        for path, file in image.files.items()
        if not stat.S_ISLNK(file.st_mode) and (file.st_uid != 0 or file.st_mode & stat.S_IWOTH)
    }
    assert others == {"/data", "/tmp"}  # noqa: S108 - its name


def test_it_runs_as_nobody_who_can_write_anywhere_but_in_the_data_folder(shop: ImageShop) -> None:
    done = shop.python("-c", WHO_AND_WHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "10001", "10001", "[]", "/data"]


def test_a_scanner_finds_the_packages_and_a_lawyer_their_licences(image: Image) -> None:
    records = [path for path in image.files if path.startswith("/var/lib/dpkg/status.d/")]
    names = {path.rpartition("/")[2] for path in records}
    assert {"libc6", "libssl3t64", "mariadb-client-core"} <= names
    for path in records:
        assert "\nVersion: " in (image.root / path[1:]).read_text()
    assert "/usr/share/doc/libc6/copyright" in image.files


def test_it_says_how_it_wants_to_be_run(image: Image) -> None:
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["WorkingDir"] == "/data"
    assert (config["Entrypoint"], config["Cmd"]) == (["shop"], ["run"])
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9000/tcp"}
    label = "org.opencontainers.image."
    said = {key.removeprefix(label): config["Labels"][key] for key in config["Labels"]}
    assert (said["title"], said["licenses"], said["version"]) == ("shop", "Apache-2.0", "1.2.3")


def test_whatever_the_shop_imports_is_in_it(shop: ImageShop) -> None:
    done = shop.python("-c", IMPORT_EVERYTHING)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_it_knows_the_authorities_that_certify_others(shop: ImageShop) -> None:
    done = shop.python("-c", AUTHORITIES)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


# --- what it does --------------------------------------------------------------------------------


def test_it_sells_says_that_it_is_well_and_ends_in_peace(shop: ImageShop, image: Image) -> None:
    stocked(shop)
    with shop:
        running = shop.run()
        assert running.ask("/healthz").json() == {"status": "ok"}
        kind, program, *words = image.config["Healthcheck"]["Test"]
        assert (kind, program) == ("CMD", "python")
        assert shop.python(*words).returncode == 0
        client = shop.client()
        bought = Purchase(variant_of(client)["id"], "buyer")
        bought.whole(client)
        until(lambda: shop.confirmations(bought.number))
        assert client.get("/docs").status_code == 200
        assert client.get("/docs/swagger/swagger-ui-bundle.js").status_code == 200
        assert running.stop() == 0
        assert running.events[-1]["event"] == "stopped"
        assert shop.python(*words).returncode != 0


def test_its_roles_work_together_on_servers(
    image: Image, tmp_path: Path, kafka_url: str, topic_prefix: str
) -> None:
    servers = {
        "SHOP_DATABASE_URL": DATABASES.lend(migrated=False),
        "SHOP_BACKUP_KEY": "Zt8w2Qm4Lr6Xp0Vn1Hs3Kd5Bf7Gj9CyEu",
        "SHOP_BUS_URL": kafka_url,
        "SHOP_BUS_PREFIX": topic_prefix,
    }
    with ImageShop(image, tmp_path / "first", **servers) as shop:
        made = shop.command("migrate")
        assert made.returncode == 0, made.stderr
        stocked(shop)
        api = shop.run("--role", "api")
        consumer = shop.beside("--role", "consumer")
        client = shop.client()
        variant = variant_of(client)["id"]
        buyers = [Purchase(variant, f"buyer-{number}") for number in range(8)]
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda one: one.whole(shop.client()), buyers):
                pass
        for bought in buyers:
            until(partial(shop.confirmations, bought.number))
        assert (api.stop(), consumer.stop()) == (0, 0)
        saved = shop.command("backup", "/data/saved")
        assert saved.returncode == 0, saved.stderr
    servers["SHOP_DATABASE_URL"] = DATABASES.lend(migrated=False)
    with ImageShop(image, tmp_path / "second", **servers) as again:
        [file] = (shop.data / "saved").iterdir()
        shutil.copy(file, again.data)
        (again.data / file.name).chmod(0o444)
        back = again.command("restore", f"/data/{file.name}")
        assert back.returncode == 0, back.stderr
        assert again.command("audit").returncode == 0


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "wrong", "named"),
    [
        ("run", {"SHOP_SITE_MODE": "production"}, "SHOP_SECURITY_SECRET"),
        ("run", {"SHOP_HTTP_PORT": "eighty"}, "SHOP_HTTP_PORT"),
        ("migrate", {"SHOP_DATABASE_URL": "oracle://host/shop"}, "SHOP_DATABASE_URL"),
        ("migrate", {"SHOP_DATABASE_URL_FILE": "/run/none"}, "SHOP_DATABASE_URL_FILE"),
        ("run", {"SHOP_DATA_DIR": "/srv"}, "/srv"),
    ],
)
def test_a_wrong_setting_ends_it_with_one_line_that_names_it(
    shop: ImageShop, command: str, wrong: dict[str, str], named: str
) -> None:
    done = shop.command(command, **wrong)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("shop: ")
    assert named in line
