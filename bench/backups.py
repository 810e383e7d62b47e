"""How long a backup of many orders takes, and to bring it back.

    python bench/backups.py [--orders 100000]

The real commands on SQLite. One order is bought from a running shop; its rows are copied under
other ids, with all that belongs to it: lines, payment, stock move, key, events and mail.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

# Started as a file: its own folder is on the path, the one above is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.kit.process import Purchase, Shop, filled, until, variant_of

KEY = "the bench seals its backups with this"
TABLES = (
    *("orders", "order_lines", "payments", "stock_moves", "idempotency", "emails", "event_log"),
)
#: Columns whose values another order has differently; the database makes `seq`.
IDS = frozenset({"id", "order_id", "payment_id", "subject_id", "key"})
NAMES = frozenset({"number", "invoice_number", "provider_payment_id", "link_id", "dedupe", "key"})


def multiply(path: Path, orders: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        templates = {}
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            kept = [at for at, name in enumerate(names) if name != "seq"]
            rows = [[row[at] for at in kept] for row in cursor]
            templates[table] = [names[at] for at in kept], rows
        fresh = [dict[bytes, bytes]() for _ in range(orders)]
        for table, (names, rows) in templates.items():
            marks = ", ".join("?" * len(names))
            columns = ", ".join(f'"{name}"' for name in names)
            text = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
            connection.executemany(text, _copies(names, rows, fresh))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copies(
    names: list[str], rows: list[list[Any]], fresh: list[dict[bytes, bytes]]
) -> Iterator[list[Any]]:
    for number, known in enumerate(fresh):
        for row in rows:
            copy = row[:]
            for at, (name, value) in enumerate(zip(names, row, strict=True)):
                if isinstance(value, bytes) and name in IDS:
                    copy[at] = known.setdefault(value, uuid4().bytes)
                elif isinstance(value, str) and name in NAMES:
                    copy[at] = f"{value[:20]}-{number}"
            yield copy


def timed(shop: Shop, *words: object) -> float:
    began = time.monotonic()
    done = shop.command(*words, SHOP_BACKUP_KEY=KEY)
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stderr)
    return took


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--orders", type=int, default=100_000)
    orders = given.parse_args().orders
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as name:
        folder = Path(name)
        filled(folder / "a")
        with Shop(folder / "a") as shop, Shop(folder / "b") as empty:
            running = shop.run()
            client = shop.client()
            bought = Purchase(variant_of(client)["id"], "buyer")
            bought.whole(client)
            until(lambda: shop.confirmations(bought.number))
            running.stop()
            multiply(shop.data / "shop.db", orders - 1)
            [(found,)] = shop.rows("SELECT count(*) FROM orders")
            away = timed(shop, "backup", folder / "backups")
            [file] = (folder / "backups").iterdir()
            back = timed(empty, "restore", file)
            if empty.rows("SELECT count(*) FROM orders") != [(found,)]:
                sys.exit("Orders are missing.")
            size = (shop.data / "shop.db").stat().st_size / (1 << 20)
            print(f"{found} orders, a database of {size:.0f} MiB")
            print(f"shop backup   {away:6.2f} s, {file.stat().st_size / (1 << 20):.0f} MiB")
            print(f"shop restore  {back:6.2f} s")


if __name__ == "__main__":
    main()
