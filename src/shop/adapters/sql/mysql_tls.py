"""How a connection to a server is encrypted: what may stand behind the `?` of its URL.

    mysql://user:password@host/name?ssl=true
    mysql://user:password@host/name?ssl_ca=/etc/mysql/ca.pem

`ssl=true` trusts whom the system trusts, `ssl_ca` (a file) or `ssl_capath` (a folder) whom these
name. Each option asks for TLS. The server's certificate is always checked, and its name as well
unless `ssl_check_hostname=false`: what the driver does by itself is to check nothing where no CA
is named. `ssl_cert` and `ssl_key` are our own certificate, `ssl_cipher` limits the ciphers.
"""

import ssl

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from shop.core.kernel.errors import Invalid


def without_options(url: str) -> tuple[sa.URL, ssl.SSLContext | None]:
    """The URL for the driver, and what encrypts. Raises `Invalid` with one line."""
    where = make_url(url)
    plain = where.set(query={})
    if not encrypted(where):
        return plain, None
    given = {name: str(value) for name, value in where.query.items()}
    try:
        context = ssl.create_default_context(
            cafile=given.get("ssl_ca"), capath=given.get("ssl_capath")
        )
        if "ssl_cert" in given:
            context.load_cert_chain(given["ssl_cert"], given.get("ssl_key"))
        if "ssl_cipher" in given:
            context.set_ciphers(given["ssl_cipher"])
    except (OSError, ssl.SSLError) as error:
        raise Invalid(
            "SHOP_DATABASE_URL (database.url): a certificate or cipher cannot be used "
            f"({error.strerror or error})."
        ) from None
    context.check_hostname = checks_host(where)
    return plain, context


def encrypted(where: sa.URL) -> bool:
    return bool(where.query.keys() - {"ssl"}) or where.query.get("ssl") == "true"


def checks_host(where: sa.URL) -> bool:
    return where.query.get("ssl_check_hostname", "true") == "true"
