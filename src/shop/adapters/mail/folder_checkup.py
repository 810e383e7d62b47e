"""Whether a folder can be written to, for the doctor."""

import asyncio
from pathlib import Path
from tempfile import TemporaryFile

from shop.ports.checkup import MailCheckup, Unwell


class FolderCheckup(MailCheckup):
    """A folder that is not there yet must be one that can be made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def examine(self) -> str:
        return await asyncio.to_thread(self._look)

    def _look(self) -> str:
        place = self._folder
        while not place.exists() and place != place.parent:
            place = place.parent
        try:
            with TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise Unwell(
                f"{place} cannot be written to ({error.strerror})",
                "let the user that runs the shop write there, or name another folder",
            ) from error
        return f"files in {self._folder}"
