"""Does a shop that nobody uses yet answer as it should?  python smoke.py http://address

It looks around and fills a cart, which expires by itself; it buys nothing. The first answer that is
wrong ends it with code 1 and one line of why.
"""

import json
import sys
import time
from collections.abc import Mapping
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT = 10.0
#: Seconds for a new Service to be known everywhere.
PATIENCE = 30.0


class Wrong(Exception):
    """An answer that no customer should get."""


def ask(url: str, body: Mapping[str, object] | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(url, data, {"content-type": "application/json"})
    try:
        with urlopen(asked, timeout=TIMEOUT) as answer:  # nosec B310 - the release names the address
            text: str = answer.read().decode()
    except HTTPError as error:
        raise Wrong(
            f"{url} answers {error.code}: {error.read(300).decode(errors='replace')}"
        ) from None
    print(f"{url} answers well.")
    return text


def reachable(address: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            ask(f"{address}/api/v1/categories")
        except (URLError, OSError) as error:
            if time.monotonic() > end:
                raise Wrong(f"{address} cannot be reached: {error}.") from None
            time.sleep(1)
        else:
            return


def look_around(address: str) -> None:
    reachable(address)
    page = ask(f"{address}/")
    if "<html" not in page:
        raise Wrong(f"{address}/ is no page.")
    ask(f"{address}/openapi.json")
    found = json.loads(ask(f"{address}/api/v1/products?limit=1&in_stock=true"))["items"]
    if not found:
        print("Nothing is on sale, so no cart was filled.")
        return
    product = json.loads(ask(f"{address}/api/v1/products/{found[0]['slug']}"))
    variant = next(one["id"] for one in product["variants"] if one["in_stock"])
    cart = json.loads(ask(f"{address}/api/v1/cart/items", {"variant_id": variant, "quantity": 1}))
    if len(cart["items"]) != 1:
        raise Wrong(f"A new cart with one thing in it holds {len(cart['items'])}.")


if __name__ == "__main__":
    try:
        look_around(sys.argv[1].rstrip("/"))
    except (Wrong, OSError, ValueError, LookupError) as error:
        sys.exit(f"smoke: {error}")
