"""The SDK's way to the gateway. What it calls a session is ours: each call has a deadline, and
what came back is judged by status and body before the SDK forgets both.

The SDK itself knows no timeout, prints to stdout when a connection fails, tells errors apart by
class names alone, and trusts certificates of 2015.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import msgspec
import razorpay
import requests
from msgspec import Struct
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from shop.ports.payments import GatewayRefused, GatewayUnavailable

CONNECT_SECONDS = 2.5
READ_SECONDS = 5.0
_LARGEST_ANSWER = 4 << 20
_CHUNK = 64 << 10
_LONGEST_TEXT = 300

_OK = range(200, 300)
_REFUSED = range(400, 500)
_CREDENTIALS = frozenset({401, 403})
_TIMED_OUT = 408
_RUNNING = 409
_TOO_MANY = 429


class Rejected(GatewayRefused):
    """The gateway understood, and says no."""


class KeyRejected(GatewayUnavailable):
    """Our key is not taken: nothing works until it is, and then everything may."""


class TooMany(GatewayUnavailable):
    """Asked too often."""


class StillRunning(GatewayUnavailable):
    """The same request is being worked on."""


class NotReached(GatewayUnavailable):
    """Nothing was done there."""


class Crowded(GatewayUnavailable):
    """Too many of ours wait already; it says nothing about the gateway."""


class OutcomeUnknown(GatewayUnavailable):
    """It may have been done there, or not."""


class Answer(Struct, frozen=True):
    """As much of a response as the SDK looks at."""

    status_code: int
    content: Any

    def json(self) -> Any:
        return self.content


class Session:
    """Takes the place of the `requests.Session` in a client; for one thread.

    Raises the errors above, none of which the SDK knows: it lets them pass.
    """

    def __init__(self, connect_seconds: float, read_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._requests = requests.Session()
        self._requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        only = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._requests.mount("https://", only)
        self._requests.mount("http://", only)

    def get(self, url: str, **options: Any) -> Answer:
        return self._ask("GET", url, options)

    def post(self, url: str, **options: Any) -> Answer:
        return self._ask("POST", url, options)

    def close(self) -> None:
        self._requests.close()

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> Answer:
        until = time.monotonic() + self._connect_seconds + self._read_seconds
        try:
            with self._requests.request(
                method,
                url,
                timeout=(self._connect_seconds, self._read_seconds),
                allow_redirects=False,
                stream=True,
                **options,
            ) as response:
                return _judged(response.status_code, _body(response, until))
        except requests.ConnectTimeout as error:
            raise NotReached("The payment gateway cannot be reached.") from error
        except (requests.RequestException, HTTPError) as error:
            # A connection that breaks may break before or after the work was done.
            raise OutcomeUnknown("The payment gateway did not answer.") from error


def _body(response: requests.Response, until: float) -> bytes:
    """Bounded in size and time: a server that dribbles holds nobody for ever."""
    body = bytearray()
    # What is there is read, not what was announced: that may take for ever.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > _LARGEST_ANSWER or time.monotonic() > until:
            raise OutcomeUnknown("The payment gateway did not come to an end.")
    return bytes(body)


def _judged(status: int, body: bytes) -> Answer:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        content = None
    if status in _OK and isinstance(content, dict):
        return Answer(status, content)
    if status in _CREDENTIALS:
        raise KeyRejected("The payment gateway does not take our key.")
    if status == _TOO_MANY:
        raise TooMany("The payment gateway was asked too often.")
    if status == _RUNNING:
        raise StillRunning("The payment gateway still works on this.")
    if status in _REFUSED and status != _TIMED_OUT and isinstance(content, dict):
        raise Rejected(_description(content))
    raise OutcomeUnknown("The payment gateway gave no answer to rely on.")


def _description(content: dict[str, Any]) -> str:
    error = content.get("error")
    said = error.get("description") if isinstance(error, dict) else None
    text = said if isinstance(said, str) and said else "The gateway refused without a reason."
    return text[:_LONGEST_TEXT]


class Clients:
    """Threads of their own for the SDK, each with its own client, and a bound for who waits."""

    def __init__(
        self,
        key_id: str,
        key_secret: str,
        url: str,
        *,
        threads: int = 8,
        waiting: int = 64,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._auth = (key_id, key_secret)
        self._url = url.rstrip("/")
        self._seconds = connect_seconds, read_seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="razorpay")
        self._free = threading.BoundedSemaphore(threads + waiting)
        self._mine = threading.local()

    def submit(self, call: Callable[[Any], Any]) -> Any:
        """A future of `call(client)`. Raises `Crowded`."""
        if not self._free.acquire(blocking=False):
            raise Crowded("Too many wait for the payment gateway.")
        try:
            future = self._pool.submit(self._run, call)
        except BaseException:
            self._free.release()
            raise
        # A caller who leaves frees no thread: the place is free when the call has ended.
        future.add_done_callback(lambda _: self._free.release())
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, call: Callable[[Any], Any]) -> Any:
        client = getattr(self._mine, "client", None)
        if client is None:
            client = razorpay.Client(
                session=Session(*self._seconds), auth=self._auth, base_url=self._url
            )
            client.cert_path = certifi.where()
            self._mine.client = client
        return call(client)
