"""One name for a developer's machine, which has several."""

from urllib.parse import urlsplit

from shop.entrypoints.http.served import HttpRequest

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def home_of(site_url: str, request: HttpRequest) -> str | None:
    """The site that a browser should be led to; None where it is there already.

    Cookies belong to one name of a machine: who fills the cart at 127.0.0.1 would come back from
    the gateway to localhost, as a stranger. Only a browser that opens a page is led anywhere, not
    a program, nor the visitor of a real host.
    """
    if request.headers.get("sec-fetch-dest") != "document" or request.method == "POST":
        return None
    site = urlsplit(site_url)
    try:
        asked = urlsplit(f"//{request.headers.get('host', '')}")
        same_port = asked.port == site.port
    except ValueError:
        return None
    names = {site.hostname, asked.hostname}
    return site_url if same_port and len(names) > 1 and names <= _LOOPBACK else None
