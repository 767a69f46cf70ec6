"""The one place where a guard's error becomes an HTTP answer (RFC 6750 §3), whatever framework sends it."""

import msgspec

from innkeeper.oauth.bearer import challenge
from innkeeper.oauth.errors import OAuthError
from innkeeper.resource_server.errors import ScopeRequired, TokenRequired

RETRY_AFTER_SECONDS = 5


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Status, headers and members of the JSON body."""

    status: int
    headers: dict[str, str]
    body: dict[str, str]

    @property
    def content(self) -> bytes:
        return msgspec.json.encode(self.body)


def refusal(error: OAuthError) -> Refusal:
    """What to answer when `Guard.check` raised.

    >>> refusal(TokenRequired()).headers["WWW-Authenticate"]
    'Bearer realm="OAuth"'
    """
    body = {"error": error.code, "error_description": error.description}
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, TokenRequired):
        del body["error"]
        headers["WWW-Authenticate"] = challenge(None)
    elif error.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        scope = str(error.scope) if isinstance(error, ScopeRequired) else None
        headers["WWW-Authenticate"] = challenge(error, scope=scope)
    return Refusal(status=error.status, headers=headers, body=body)
