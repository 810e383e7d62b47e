"""What customers send: the bench catalogue, and each call of the public API as raw requests."""

import csv
import random
import secrets
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from urllib.parse import quote

import msgspec

from bench.load import HOST, Answer, fetch, http
from bench.servers import BenchError

PRODUCTS = "/api/v1/products"
LIST = f"{PRODUCTS}?limit=24"
CART = "/api/v1/cart"
CARTS = f"{CART}/items"
CHECKOUT = "/api/v1/checkout"
LINES = 3
STOCK = 5_000_000
SEEN = 200  # products that the customers look at and buy
COLOURS = ("Amber", "Black", "Coral", "Indigo", "Ivory", "Maroon", "Olive", "Teal", "White")
THINGS = ("Apron", "Basket", "Bowl", "Candle", "Cushion", "Kettle", "Lamp", "Mug", "Tray", "Vase")
FINISHES = ("Brushed", "Carved", "Glazed", "Hammered", "Painted", "Plain", "Striped", "Woven")
ADDRESS = {
    "name": "Bench Buyer",
    "phone": "+919812345678",
    "street": "12 Residency Road",
    "city": "Bengaluru",
    "state": "KA",
    "zipcode": "560001",
    "country": "IN",
}


def write_catalogue(file: Path) -> None:
    """A Shopify export of 720 products with two variants each and stock for every round."""
    columns = [
        *("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published"),
        *("Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams"),
        *("Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy"),
        *("Variant Fulfillment Service", "Variant Price", "Variant Requires Shipping"),
        *("Variant Taxable", "Status"),
    ]
    with file.open("w", newline="") as stream:
        rows = csv.DictWriter(stream, columns, restval="")
        rows.writeheader()
        for number, (finish, colour, thing) in enumerate(product(FINISHES, COLOURS, THINGS)):
            title = f"{finish} {colour} {thing}"
            first = {
                "Title": title,
                "Body (HTML)": f"<p>{title}, made to be bought often and returned never.</p>",
                "Vendor": "Bench Works",
                "Type": thing,
                "Tags": f"{colour.lower()}, {finish.lower()}",
                "Published": "true",
                "Status": "active",
            }
            for size in ("Small", "Large"):
                rows.writerow(
                    first
                    | {
                        "Handle": f"bench-{number:04d}",
                        "Option1 Name": "Size",
                        "Option1 Value": size,
                        "Variant SKU": f"BENCH-{number:04d}-{size[0]}",
                        "Variant Grams": "400",
                        "Variant Inventory Tracker": "shopify",
                        "Variant Inventory Qty": str(STOCK),
                        "Variant Inventory Policy": "deny",
                        "Variant Fulfillment Service": "manual",
                        "Variant Price": f"{199 + number % 40 * 25}.00",
                        "Variant Requires Shipping": "true",
                        "Variant Taxable": "true",
                    }
                )
                first = {}


class Customers:
    """Prepares requests for the shop at `port`; `open` learns its catalogue first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._slugs: list[str] = []
        self._variants: list[str] = []
        self._firsts: list[str] = []  # of new carts; the later lines are of other variants
        self._others: list[str] = []
        self._etag = ""
        self._full: list[str] = []
        self._users: list[tuple[str, str]] = []
        self._chance = random.Random(7)

    async def open(self) -> None:
        cursor = ""
        while len(self._slugs) < SEEN:
            (page,) = await self.fetch([http("GET", f"{PRODUCTS}?limit=100{cursor}")], {200})
            listed = msgspec.json.decode(page.body)
            self._slugs += [item["slug"] for item in listed["items"]]
            if not listed["next_cursor"]:
                break
            cursor = f"&cursor={quote(listed['next_cursor'])}"
        for answer in await self.fetch(self.details(), {200}):
            for variant in msgspec.json.decode(answer.body)["variants"]:
                if variant["stock_quantity"] > STOCK // 2:
                    self._variants.append(variant["id"])
        if len(self._variants) < LINES:
            raise BenchError("the newest products of the list are not those of the bench catalogue")
        third = len(self._variants) // LINES
        self._firsts, self._others = self._variants[:third], self._variants[third:]
        (listed_page,) = await self.fetch([http("GET", LIST)], {200})
        self._etag = listed_page.header("ETag")

    async def fetch(
        self, requests: Sequence[bytes], expected: set[int], connections: int = 32
    ) -> list[Answer]:
        """The answers to all; refuses the first that is missing or has another status."""
        answers = []
        for answer in await fetch(self.port, requests, connections):
            if answer is None or answer.status not in expected:
                got = "no answer" if answer is None else f"{answer.status} {answer.body[:300]!r}"
                line = requests[0].split(b"\r\n", 1)[0].decode()
                raise BenchError(f"{line}: {got} instead of {sorted(expected)}")
            answers.append(answer)
        return answers

    def listing(self) -> list[bytes]:
        return [http("GET", LIST)]

    def unchanged(self) -> list[bytes]:
        return [http("GET", LIST, headers={"If-None-Match": self._etag})]

    def details(self) -> list[bytes]:
        return [http("GET", f"{PRODUCTS}/{quote(slug)}") for slug in self._slugs[:SEEN]]

    def searches(self) -> list[bytes]:
        words = [*COLOURS, *THINGS, *FINISHES]
        return [http("GET", f"{PRODUCTS}?q={word.lower()}") for word in words]

    def new_carts(self, many: int = SEEN) -> list[bytes]:
        return [self._add(variant) for variant in self._chance.choices(self._firsts, k=many)]

    def _add(self, variant: str, token: str | None = None) -> bytes:
        headers = {"X-Cart-Token": token} if token else None
        return http("POST", CARTS, {"variant_id": variant, "quantity": 1}, headers)

    async def carts_of_one(self, many: int) -> list[str]:
        """The tokens of new carts with a line each."""
        answers = await self.fetch(self.new_carts(many), {200, 201})
        return [answer.header("X-Cart-Token") for answer in answers]

    def fill(self, tokens: Sequence[str]) -> list[bytes]:
        """Adds up to `LINES` for each cart, the same cart never twice in near succession."""
        picks = [self._chance.sample(self._others, LINES - 1) for _ in tokens]
        return [
            self._add(chosen[turn], token)
            for turn in range(LINES - 1)
            for token, chosen in zip(tokens, picks, strict=True)
        ]

    async def filled(self, tokens: Sequence[str], adds: Sequence[bytes]) -> None:
        """Send what is left of `adds`; the carts then wait for a checkout."""
        if adds:
            await self.fetch(adds, {200, 201})
        self._full += tokens

    async def checkouts(self, many: int) -> list[bytes]:
        """A checkout for each of so many full carts, each with a key of its own."""
        if (lacking := many - len(self._full)) > 0:
            tokens = await self.carts_of_one(lacking)
            await self.filled(tokens, self.fill(tokens))
        chosen, self._full = self._full[:many], self._full[many:]
        return [_checkout(token) for token in chosen]

    async def hot_checkouts(self, many: int) -> list[bytes]:
        """The same of carts that hold one piece each of one and the same variant."""
        answers = await self.fetch([self._add(self._variants[0])] * many, {200, 201})
        return [_checkout(answer.header("X-Cart-Token")) for answer in answers]

    async def carts(self, many: int) -> list[bytes]:
        """Looks into so many full carts of guests."""
        tokens = await self.carts_of_one(many)
        await self.filled(tokens, self.fill(tokens))
        return [http("GET", CART, headers={"X-Cart-Token": token}) for token in tokens]

    async def own_carts(self, many: int) -> list[bytes]:
        """Looks of so many customers, who are signed in, each into the cart of the account."""
        answers = await self.fetch(await self.logins(many), {200}, connections=1)
        bodies = [msgspec.json.decode(answer.body) for answer in answers]
        bearers = [{"Authorization": f"Bearer {body['access_token']}"} for body in bodies]
        item = {"variant_id": self._variants[0], "quantity": 1}
        await self.fetch([http("POST", CARTS, item, bearer) for bearer in bearers], {200, 201})
        return [http("GET", CART, headers=bearer) for bearer in bearers]

    def signups(self, many: int) -> list[bytes]:
        """Sign-ups of so many new people."""
        return [
            http(
                "POST",
                "/api/v1/signup",
                {
                    "name": "Bench Buyer",
                    "email": f"new-{secrets.token_hex(8)}@example.com",
                    "password": f"{secrets.token_urlsafe(12)}#Aa1",
                },
            )
            for _ in range(many)
        ]

    async def tokens(self, many: int) -> list[str]:
        """The refresh tokens of so many sessions."""
        logins = await self.logins()
        answers = [(await self.fetch([logins[n % len(logins)]], {200}))[0] for n in range(many)]
        return [msgspec.json.decode(answer.body)["refresh_token"] for answer in answers]

    async def refreshed(self, tokens: Sequence[str]) -> list[str]:
        """Swap each for its successor, all at once."""
        kind = "application/x-www-form-urlencoded"
        forms = [
            f"grant_type=refresh_token&client_id=shop&refresh_token={token}".encode()
            for token in tokens
        ]
        requests = [
            f"POST /oauth2/token HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(form)}\r\n\r\n".encode()
            + form
            for form in forms
        ]
        answers = await self.fetch(requests, {200})
        return [msgspec.json.decode(answer.body)["refresh_token"] for answer in answers]

    async def logins(self, many: int = 16) -> list[bytes]:
        """Logins of so many customers, who are signed up on the first call."""
        if not self._users:
            self._users = [
                (f"bench-{secrets.token_hex(6)}@example.com", f"{secrets.token_urlsafe(12)}#Aa1")
                for _ in range(many)
            ]
            signups = [
                http(
                    "POST",
                    "/api/v1/signup",
                    {"name": "Bench Buyer", "email": email, "password": password},
                )
                for email, password in self._users
            ]
            for signup in signups:  # one by one: the queue of hashes is short on purpose
                await self.fetch([signup], {201})
        return [
            http("POST", "/api/v1/login", {"email": email, "password": password})
            for email, password in self._users
        ]


def _checkout(token: str) -> bytes:
    body = {"email": "buyer@example.com", "shipping_address": ADDRESS, "payment_method": "online"}
    headers = {"X-Cart-Token": token, "Idempotency-Key": secrets.token_hex(16)}
    return http("POST", CHECKOUT, body, headers)
