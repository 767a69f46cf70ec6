"""The one kind of redirect that we send."""

from innkeeper.server.web.http import Response


def see_other(location: str) -> Response:
    """303, never 307: the credentials that were posted here go nowhere else (RFC 9700 §4.12)."""
    return Response(
        status=303, headers=((b"location", location.encode("ascii")), (b"cache-control", b"no-store"))
    )
