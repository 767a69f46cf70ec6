"""GET /static/NAME: the files that belong to the pages, read once, cached by browsers for a year."""

from functools import cache
from typing import Final

from innkeeper.server.flows.services import Services
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.view import STATIC_FOLDER, STATIC_PATH

_TYPES: Final = {".css": b"text/css; charset=utf-8", ".svg": b"image/svg+xml"}
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")


@cache
def names() -> frozenset[str]:
    """What there is to serve: only these names exist, so no path can lead anywhere else (HT-11)."""
    return frozenset(file.name for file in STATIC_FOLDER.iterdir() if file.suffix in _TYPES)


def paths() -> tuple[str, ...]:
    """One exact path per file."""
    return tuple(STATIC_PATH + name for name in sorted(names()))


async def file(request: Request, services: Services) -> Response:
    """The file of this exact path."""
    name = request.path.removeprefix(STATIC_PATH)
    return Response(
        headers=((b"content-type", _TYPES[name[name.rindex(".") :]]), _FOREVER), body=_content(name)
    )


@cache
def _content(name: str) -> bytes:
    return (STATIC_FOLDER / name).read_bytes()
