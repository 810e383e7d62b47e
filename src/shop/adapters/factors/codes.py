"""One-time passwords by pyotp: six digits, 30 seconds, SHA-1, as every app has them."""

from base64 import b32encode

from pyotp import TOTP

from shop.ports.factors import OneTimeCodes


class OtpCodes(OneTimeCodes):
    def __init__(self, shop_name: str) -> None:
        self._shop_name = shop_name

    def secret(self, random: bytes) -> str:
        return b32encode(random).decode().rstrip("=")

    def uri(self, secret: str, account: str) -> str:
        return TOTP(secret).provisioning_uri(name=account, issuer_name=self._shop_name)

    def at(self, secret: str, step: int) -> str:
        return TOTP(secret).generate_otp(step)
