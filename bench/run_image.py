"""`make bench-image`: how big is the image, how soon does it answer (beside one outside of a
container), how long does it drain?"""

import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # started as a file: its own folder is on the path, this one is not

from tests.kit.image import Image, ImageShop  # noqa: E402
from tests.kit.process import CATALOGUE, Purchase, Shop, variant_of  # noqa: E402
from tests.kit.servers import Missing  # noqa: E402

RESULTS = ROOT / "build" / "bench-image.json"
ROUNDS = 5
READERS, BUYERS = 32, 4
LOADED = 3.0


class Load:
    """Readers and buyers on connections that stay open, until the shop closes them."""

    def __init__(self, shop: ImageShop) -> None:
        self._shop = shop
        client = shop.client()
        self._variant = variant_of(client)["id"]
        self.answers = self.lost = self.orders = 0
        loops = [self._read] * READERS + [self._buy] * BUYERS
        self._threads = [threading.Thread(target=loop, args=(i,)) for i, loop in enumerate(loops)]
        for thread in self._threads:
            thread.start()

    def complete(self) -> bool:
        """Nobody has given up."""
        return all(thread.is_alive() for thread in self._threads)

    def ended(self) -> None:
        for thread in self._threads:
            thread.join()

    def _read(self, _: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._shop.port, timeout=20)
        with contextlib.suppress(ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            while True:
                connection.request("GET", "/api/v1/products?limit=24")
                try:
                    answer = connection.getresponse()
                    answer.read()
                except (http.client.HTTPException, OSError):
                    self.lost += 1
                    return
                self.answers += 1
                if answer.will_close:
                    return

    def _buy(self, number: int) -> None:
        client = self._shop.client()
        with contextlib.suppress(Exception):  # the end of the shop is the end of the load
            for turn in range(1_000_000):
                Purchase(self._variant, f"{number}-{turn}").whole(client)
                self.orders += 1


def started(shop: Shop) -> tuple[float, float]:
    """Seconds until the first answer of the shop, and until it says that it is ready."""
    begin = time.perf_counter()
    running = shop.start()
    answered = 0.0
    while not answered:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=5)
            connection.request("GET", "/api/v1/products?limit=1")
            if connection.getresponse().status == http.client.OK:
                answered = time.perf_counter() - begin
    running.ready()
    ready = time.perf_counter() - begin
    if running.stop():
        raise click.ClickException(running.err)
    return answered, ready


def drained(shop: ImageShop) -> dict[str, float]:
    running = shop.run()
    load = Load(shop)
    time.sleep(LOADED)
    if not load.complete():
        raise click.ClickException("Some of the load ended before the shop did.")
    begin = time.perf_counter()
    code = running.stop()
    seconds = time.perf_counter() - begin
    load.ended()
    if code:
        raise click.ClickException(f"It ended with {code}: {running.err}")
    return {
        "seconds": seconds,
        "requests_per_second": load.answers / LOADED,
        "orders": load.orders,
        "lost": load.lost,
    }


@click.command()
def main() -> None:
    """Build the image, measure it in a container, print and write build/bench-image.json.

    Wants root, buildah and debootstrap, as the test of the image does.
    """
    with tempfile.TemporaryDirectory(prefix="shop-image-") as folder:
        try:
            image = Image(Path(folder))
        except Missing as error:
            raise click.ClickException(str(error)) from error
        shop = ImageShop(image, Path(folder, "shop"))
        with shop, Shop(Path(folder, "outside")) as outside:
            outside.run("--demo").stop()
            shop.run("--demo").stop()
            # Of the demo's goods there are few; the load must not run out of them.
            (shop.data / "goods.csv").write_text(CATALOGUE + "mug,Mug,MUG-1,1000000,250.00\n")
            done = shop.command("import", "/data/goods.csv", "--format", "shopify")
            if done.returncode:
                raise click.ClickException(done.stderr)
            starts = [(*started(shop), started(outside)[0]) for _ in range(ROUNDS)]
            drains = [drained(shop) for _ in range(3)]
        report = {
            "unpacked_mb": image.unpacked() / 1e6,
            "packed_mb": image.packed() / 1e6,
            "first_answer_seconds": statistics.median(first for first, _, _ in starts),
            "ready_seconds": statistics.median(ready for _, ready, _ in starts),
            "first_answer_outside_seconds": statistics.median(out for _, _, out in starts),
            "drains": drains,
        }
        image.end()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
