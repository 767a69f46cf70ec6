"""What is sent to us: forms, flat JSON objects of strings, links."""

from typing import Final

from innkeeper.oauth.errors import InvalidRequest, UntrustedRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.web.http import Request

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


def form_or_json(request: Request) -> Parameters:
    """What machines send (RFC 6749 §3.2). Raises `InvalidRequest`.

    Parameters in the query are refused: they end in logs and histories.
    """
    if request.query:
        raise InvalidRequest("Parameters belong in the body, not in the query.")
    media_type = _media_type(request)
    if media_type == FORM:
        return Parameters.from_form(request.body)
    if media_type == JSON:
        return Parameters.from_json(request.body)
    raise InvalidRequest(f"Send the body as {FORM} or {JSON}.")


def form(request: Request) -> Parameters:
    """What a browser's form sends. Raises `InvalidRequest`."""
    if _media_type(request) != FORM:
        raise InvalidRequest(f"Send the body as {FORM}.")
    return Parameters.from_form(request.body)


def from_link(query: bytes) -> Parameters:
    """What a browser brings in a link. Raises `UntrustedRequest`: nobody has been located yet."""
    try:
        return Parameters.from_query(query)
    except InvalidRequest as error:
        raise undecodable(error) from error


def undecodable(error: InvalidRequest) -> UntrustedRequest:
    """Bytes that cannot be read name no client to send an error to."""
    return UntrustedRequest(
        "undecodable",
        f"The parameters cannot be read: {error.description}",
        "Send them form-encoded, in UTF-8.",
    )


def _media_type(request: Request) -> str:
    content_type = request.header(b"content-type") or ""
    if content_type == FORM:
        return FORM
    media_type, _, rest = content_type.partition(";")
    charset = rest.replace(" ", "").lower().partition("charset=")[2].partition(";")[0].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise InvalidRequest("The charset of the body must be UTF-8.")
    return media_type.strip().lower()
