"""The resource-server role: a guard that protects an API with access tokens and scopes (RFC 6750, RFC 9068).

As it comes it works offline and therefore honours a JWT until its `exp`: revocation does not reach it. It can also ask
the issuer about every token. See `Guard`.
"""

from innkeeper.oauth.errors import (
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    TemporarilyUnavailable,
)
from innkeeper.resource_server.access_token import AccessToken
from innkeeper.resource_server.asgi import RequireScope, authorization_headers
from innkeeper.resource_server.errors import Misuse, ScopeRequired, TokenRequired
from innkeeper.resource_server.fetch import Ask, Fetch
from innkeeper.resource_server.guard import Guard
from innkeeper.resource_server.introspection import Introspection
from innkeeper.resource_server.refusal import Refusal, refusal

__all__ = [
    "AccessToken",
    "Ask",
    "Fetch",
    "Guard",
    "InsufficientScope",
    "Introspection",
    "InvalidRequest",
    "InvalidToken",
    "Misuse",
    "OAuthError",
    "Refusal",
    "RequireScope",
    "ScopeRequired",
    "TemporarilyUnavailable",
    "TokenRequired",
    "authorization_headers",
    "refusal",
]
