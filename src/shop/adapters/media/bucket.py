"""How to reach a bucket."""

from msgspec import Struct


class Bucket(Struct, frozen=True, kw_only=True):
    """How to reach the server of an `s3:` URL; what is empty comes from the environment.

    `ca` is a file of certificates to trust besides the system's.
    """

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    key_secret: str = ""
    ca: str = ""

    def __repr__(self) -> str:
        return f"Bucket({self.endpoint!r})"
