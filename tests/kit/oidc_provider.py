"""A small OpenID provider in a process of its own, which misbehaves as it is told to.

As a program it serves on a free port of this machine and prints its address; as a module it starts
that program: `with OidcProvider() as provider`.
"""

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "the-shop"
CLIENT_SECRET = "a secret/with: odd+characters"
ASHA = {"sub": "asha-1", "email": "asha@example.com", "email_verified": True, "name": "Asha Rao"}


class OidcProvider:
    """The process, and the wires to it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.issuer = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def behave(self, **how: Any) -> None:
        """From now on: `claims`, `deny`, `sign`, `faults`, `rotate`, `document`, `no_iss`, …"""
        httpx.post(f"{self.issuer}/behave", json=how, trust_env=False).raise_for_status()

    def visit(self, url: str) -> str:
        """Sign in there as the person of `claims`; where the browser is sent."""
        assert url.startswith(f"{self.issuer}/authorize?"), url
        answer = httpx.get(url, trust_env=False)
        assert answer.status_code == 302, answer.text
        location: str = answer.headers["location"]
        return location

    def calls(self) -> list[str]:
        """The paths that were asked for, in order, since `behave`."""
        asked: list[str] = httpx.get(f"{self.issuer}/calls", trust_env=False).json()
        return asked


class _State:
    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.forger = RSAKey.generate_key(2048)
        self.codes: dict[str, dict[str, str]] = {}
        self.how: dict[str, Any] = {}
        self.calls: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    state: _State
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - so it is called
        pass

    @property
    def issuer(self) -> str:
        return f"http://{self.headers['Host']}"

    # --- answers ---

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, document: Any, status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _faulty(self, path: str) -> bool:
        fault = self.state.how.get("faults", {}).get(path)
        if fault == "html":
            self._send(200, b"<!doctype html><h1>Welcome</h1>", "text/html")
        elif fault == "500":
            self._json({"error": "server_error"}, 500)
        elif fault == "redirect":
            self._send(302, b"", "text/plain", Location=f"{self.issuer}/elsewhere")
        elif fault == "huge":
            self._json({"keys": ["x" * 1_000_000]})
        elif fault == "list":
            self._json([1, 2])
        elif fault == "slow":
            time.sleep(2)  # longer than anybody who tests waits
            self._json({})
        return fault is not None

    # --- calls ---

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/calls":
            self._json(self.state.calls)
            return
        self.state.calls.append(path)
        if self._faulty(path):
            return
        routes = {
            "/.well-known/openid-configuration": self._document,
            "/jwks": self._keys,
            "/userinfo": self._userinfo,
        }
        if path == "/authorize":
            self._authorize({k: v[0] for k, v in parse_qs(query).items()})
        elif path in routes:
            routes[path]()
        else:
            self._json({"error": "not_found"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if path == "/behave":
            self.state.how = json.loads(body)
            self.state.calls.clear()
            if self.state.how.get("rotate"):
                self.state.key = RSAKey.generate_key(2048, auto_kid=True)
            self._json({})
            return
        self.state.calls.append(path)
        if not self._faulty(path):
            self._token({k: v[0] for k, v in parse_qs(body.decode()).items()})

    def _document(self) -> None:
        plain = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "authorization_response_iss_parameter_supported": True,
        }
        self._json(plain | self.state.how.get("document", {}))

    def _keys(self) -> None:
        key = self.state.key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}
        self._json({"keys": [key]})

    def _authorize(self, asked: dict[str, str]) -> None:
        right = asked.get("response_type") == "code" and asked.get("client_id") == CLIENT_ID
        if not right or asked.get("code_challenge_method") != "S256":
            self._json({"error": "invalid_request"}, 400)
            return
        back = {"state": asked["state"]}
        if not self.state.how.get("no_iss"):
            back["iss"] = self.state.how.get("iss", self.issuer)
        if error := self.state.how.get("deny"):
            back["error"] = error
        else:
            code = secrets.token_urlsafe(16)
            self.state.codes[code] = asked
            back["code"] = code
        self._send(302, b"", "text/plain", Location=f"{asked['redirect_uri']}?{urlencode(back)}")

    def _token(self, form: dict[str, str]) -> None:
        asked = self.state.codes.pop(form.get("code", ""), None)
        if not self._client(form):
            self._json({"error": "invalid_client"}, 401)
            return
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = _text(verifier)
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            self._json({"error": "invalid_grant"}, 400)
            return
        answer = {"access_token": "for-userinfo", "token_type": "Bearer"}
        self._json(answer | {"id_token": self._id_token(asked["nonce"])})

    def _client(self, form: dict[str, str]) -> bool:
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            pair = base64.b64decode(given[6:]).decode().partition(":")
            name, secret = unquote_plus(pair[0]), unquote_plus(pair[2])
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        return (name, secret) == (CLIENT_ID, CLIENT_SECRET)

    def _userinfo(self) -> None:
        if self.headers.get("Authorization") != "Bearer for-userinfo":
            self._json({"error": "invalid_token"}, 401)
            return
        self._json(self.state.how.get("userinfo", ASHA))

    def _id_token(self, nonce: str) -> str:
        how = self.state.how
        now = int(how.get("now", time.time()))
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **ASHA,
            **how.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.state.key
        header = {"alg": "RS256", "kid": key.kid}
        match how.get("sign", "well"):
            case "none":
                return f"{_part({'alg': 'none'})}.{_part(claims)}."
            case "forged":
                return jwt.encode(header, claims, self.state.forger)
            case "shared":  # the public key, which everybody knows, taken for a shared secret
                signed = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
                digest = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
                return f"{signed}.{_text(digest)}"
            case "stranger":
                return jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, self.state.forger)
            case "garbage":
                return "no.token.at-all"
            case _:
                return jwt.encode(header, claims, key)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _part(document: dict[str, Any]) -> str:
    return _text(json.dumps(document).encode())


def main() -> None:
    _Handler.state = _State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201 - it is told so
    server.serve_forever()


if __name__ == "__main__":
    main()
