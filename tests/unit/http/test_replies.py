from typing import Any

import pytest

from shop.entrypoints.http.web.replies import html


async def sent(method: str) -> tuple[dict[bytes, bytes], bytes]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    scope: Any = {"type": "http", "method": method}
    await html(b"<p>Hello</p>")(scope, None, send)  # type: ignore[arg-type]
    start, body = messages
    return dict(start["headers"]), body["body"]


@pytest.mark.parametrize(("method", "body"), [("GET", b"<p>Hello</p>"), ("HEAD", b"")])
async def test_a_head_says_how_long_the_page_is_and_does_not_send_it(
    method: str, body: bytes
) -> None:
    headers, given = await sent(method)
    assert headers[b"content-length"] == b"12"
    assert given == body
