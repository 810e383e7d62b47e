"""The sandbox gateway's hosted page: two buttons that stand for all cards and banks."""

import html
from urllib.parse import parse_qs

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from shop.adapters.sandbox.gateway import LinkClosed, LinkExpired, LinkUnknown, SandboxGateway
from shop.core.kernel.errors import ShopError
from shop.entrypoints.http.raw import body
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.entrypoints.http.web.rendering import money
from shop.ports.sandbox import SandboxLink
from shop.ports.system import Clock

_STATUS: dict[type[ShopError], int] = {LinkUnknown: 404, LinkClosed: 409, LinkExpired: 410}
_OUTCOMES = {"success": True, "failure": False}


class SandboxController(Controller):
    path = "/sandbox/pay"
    include_in_schema = False

    @get("/{token:str}")
    @served
    async def show(
        self, token: FromPath[str], gateway: Given[SandboxGateway], clock: Given[Clock]
    ) -> Response[str]:
        try:
            link = await gateway.open(token)
        except LinkUnknown as error:
            return _closed(error)
        if link.status == "paid":
            return _page("Paid", "<p>This payment link has been paid.</p>")
        if link.status != "created":
            return _closed(LinkClosed("This payment link was cancelled."))
        if link.expires_at <= clock.now():
            return _closed(LinkExpired("This payment link has expired."))
        return _page("Pay", _form(link))

    @post("/{token:str}")
    @served
    async def answer(
        self, request: HttpRequest, token: FromPath[str], gateway: Given[SandboxGateway]
    ) -> Response[str] | Redirect:
        fields = parse_qs((await body(request.scope, request.receive)).decode("utf-8", "replace"))
        outcome = fields.get("outcome", [""])[0]
        if outcome not in _OUTCOMES:
            return _page("Pay", "<p>Send <code>outcome</code>: success or failure.</p>", 400)
        try:
            back = await gateway.answer(token, success=_OUTCOMES[outcome])
        except (LinkUnknown, LinkClosed, LinkExpired) as error:
            return _closed(error)
        return Redirect(back, status_code=303)


def _closed(error: ShopError) -> Response[str]:
    return _page("Nothing to pay", f"<p>{html.escape(error.detail)}</p>", _STATUS[type(error)])


def _form(link: SandboxLink) -> str:
    tried = "<p>The last attempt failed. Try again.</p>" if link.failures else ""
    return (
        f"<p>{html.escape(link.description)}</p>"
        f"<p class=amount>{money(link.amount)}</p>{tried}"
        "<form method=post>"
        '<button name="outcome" value="success">Pay</button>'
        '<button name="outcome" value="failure" class=second>Let it fail</button></form>'
    )


def _page(title: str, body: str, status: int = 200) -> Response[str]:
    return Response(
        _HTML.replace("{title}", title).replace("{body}", body),
        status_code=status,
        media_type="text/html",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Referrer-Policy": "no-referrer",
        },
    )


_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} - test gateway</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f4f5f7;color:#1c2430}
main{box-sizing:border-box;width:min(27rem,100% - 2rem);margin:2rem auto;padding:1.5rem;
background:#fff;border-radius:.75rem;overflow-wrap:anywhere}
.mark{background:#fff3cd;color:#664d03;padding:.5rem .75rem;border-radius:.5rem;margin:0 0 1rem}
.amount{font-size:2rem;font-weight:600;margin:.5rem 0 1.5rem}
button{display:block;width:100%;padding:.9rem;margin:0 0 .75rem;border:0;border-radius:.5rem;
font:inherit;font-weight:600;background:#0b5cad;color:#fff;cursor:pointer}
button.second{background:#e6e9ee;color:#1c2430}
</style></head>
<body><main><p class=mark>Test gateway: no real money moves here.</p>
<h1>{title}</h1>{body}</main></body></html>
"""
