"""Where the files of Swagger UI are, if its package is installed."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_PACKAGE = "swagger-ui-py"
#: What Swagger UI consists of; other files of its package are not served.
SWAGGER_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}


def swagger_folder() -> Path | None:
    """Where the installed package keeps Swagger UI; None without it."""
    try:
        found = distribution(_PACKAGE).locate_file("swagger_ui/static")
    except PackageNotFoundError:
        return None
    folder = Path(str(found))
    return folder if all((folder / name).is_file() for name in SWAGGER_FILES) else None
