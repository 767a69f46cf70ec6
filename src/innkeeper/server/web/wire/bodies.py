"""What machines send: a form or a flat JSON object of strings, in the body and nowhere else (RFC 6749 §3.2, R-EP3)."""

from typing import Final

from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.web.http import Request

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


def form_or_json(request: Request) -> Parameters:
    """Raises `InvalidRequest`. Parameters in the query are refused: they end in logs and histories."""
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


def _media_type(request: Request) -> str:
    content_type = request.header(b"content-type") or ""
    if content_type == FORM:
        return FORM
    media_type, _, rest = content_type.partition(";")
    charset = rest.replace(" ", "").lower().partition("charset=")[2].partition(";")[0].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise InvalidRequest("The charset of the body must be UTF-8.")
    return media_type.strip().lower()
