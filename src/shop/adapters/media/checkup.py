"""Whether pictures can be kept, for the doctor."""

import os
from pathlib import Path

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from shop.adapters.media.objects import Store
from shop.ports.checkup import MediaCheckup, Unwell

_PROBE = "do/doctor"
_KEYS = "see SHOP_MEDIA_KEY_ID and SHOP_MEDIA_KEY_SECRET, and what that key may do"

_TRUST = "see that SHOP_MEDIA_CA names who signed it, and that it is for that host and in date"


class FolderCheckup(MediaCheckup):
    """A folder that is not there yet must be one that can be made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def examine(self) -> str:
        place = self._folder
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise Unwell(
                f"{place} cannot be written to",
                "let the user that runs the shop write there, or name another folder",
            )
        return f"files in {self._folder}"


class MemoryCheckup(MediaCheckup):
    async def examine(self) -> str:
        return "in memory; it is lost when the process ends"


class BucketCheckup(MediaCheckup):
    """Writes an object, reads it, and takes it away again."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url

    async def examine(self) -> str:
        try:
            await self._store.put_async(_PROBE, b"")
            await self._store.get_async(_PROBE)
            await self._store.delete_async(_PROBE)
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise Unwell(f"{self._url} does not let us write, read and delete", _KEYS) from error
        except FileNotFoundError as error:
            raise Unwell(
                f"{self._url} has no such bucket", "make the bucket, or see SHOP_MEDIA_URL"
            ) from error
        except (BaseError, OSError) as error:
            if "InvalidCertificate(" in str(error):  # all that the library tells of it
                raise Unwell(f"the certificate of {self._url} is refused", _TRUST) from error
            raise Unwell(
                f"{self._url} cannot be used ({type(error).__name__})",
                "see that it runs, SHOP_MEDIA_ENDPOINT and SHOP_MEDIA_REGION, and that our clock"
                " is right",
            ) from error
        return self._url
