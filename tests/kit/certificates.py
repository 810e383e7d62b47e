"""Certificates for servers of the tests, each signed by an authority of its own."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificate:
    """`ca` is the file that clients trust; the server has `file` and `key`, or `both` in one."""

    def __init__(self, folder: Path, name: str) -> None:
        """For a host's name or address."""
        authority, signing = _signed("Tests' own", x509.BasicConstraints(ca=True, path_length=0))
        names = x509.SubjectAlternativeName([_general(name)])
        made, private = _signed(name, names, by=(authority, signing))
        public = made.public_bytes(serialization.Encoding.PEM)
        secret = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.ca, self.both = folder / "ca.pem", folder / "server.pem"
        self.file, self.key = folder / "server.crt", folder / "server.key"
        self.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        self.file.write_bytes(public)
        self.key.write_bytes(secret)
        self.both.write_bytes(secret + public)

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.both)
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


_Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _signed(name: str, extension: x509.ExtensionType, by: _Signer | None = None) -> _Signer:
    """A certificate and its key; by itself, where nobody else signs it."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    wanted = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(extension, critical=by is None)
    )
    return wanted.sign(by[1] if by else private, hashes.SHA256()), private


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
