"""How a request fails at an API (RFC 6750 §3.1), and how a guard is misused by the program that makes it."""

from __future__ import annotations

from innkeeper.oauth.errors import InsufficientScope, InvalidToken
from innkeeper.oauth.scope import Scope


class TokenRequired(InvalidToken):
    """No bearer token came. The answer is a challenge without an error code: nothing is wrong yet."""

    def __init__(self) -> None:
        super().__init__("this resource needs an access token")


class ScopeRequired(InsufficientScope):
    """The token is good but allows too little. `scope` is all that is needed, not only what is missing."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("the access token does not have the scope that this resource needs")
        self.scope = scope


class Misuse(ValueError):
    """The program that protects its API made a mistake. No request can cause one."""
