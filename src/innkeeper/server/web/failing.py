"""What goes wrong outside an endpoint: JSON for machines, a page for people."""

from typing import Final

from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.refusals import as_json

MACHINES: Final = ("/oauth/", "/.well-known/", "/userinfo", "/healthz", "/readyz")


def on_error(request: Request, error: Exception) -> Response:
    """The answer to an unknown path, a wrong method, a store that is away, or a bug."""
    return as_json(request, error)
