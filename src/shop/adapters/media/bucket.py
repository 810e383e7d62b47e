"""How to reach a bucket."""

from msgspec import Struct


class Bucket(Struct, frozen=True, kw_only=True):
    """How to reach the server of an `s3:` URL; what is empty comes from the environment."""

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    key_secret: str = ""

    def __repr__(self) -> str:
        return f"Bucket({self.endpoint!r})"
