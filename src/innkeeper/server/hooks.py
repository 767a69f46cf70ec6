"""What an operator's own Python code may say about tokens before they are made.

A hook is an async function. It sees who asks for what, and may add claims, take scopes away, or refuse:

```python
from innkeeper.server.hooks import Claims, Denied, PreToken


async def pre_token(request: PreToken) -> Claims | None:
    if request.user is None:
        return None
    if "contractor" in request.user.roles and request.api == "https://api.example.com/payroll":
        raise Denied("Contractors have no access to payroll.")
    return Claims(access_token={"https://example.com/roles": list(request.user.roles)})
```
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from innkeeper.server.model.user import User


class PreToken(msgspec.Struct, frozen=True, kw_only=True):
    """One set of tokens that is about to be made. Nothing in it is secret."""

    grant_type: str
    """As the token endpoint knows it; `implicit` for tokens that leave the authorization endpoint."""
    client_id: str
    is_first_party: bool
    user: User | None
    """None when a client acts for itself."""
    api: str | None
    """The API's identifier; None for tokens that are good at userinfo alone."""
    scope: tuple[str, ...]
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None
    address: str = ""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook adds. Names that Innkeeper or a specification gives a meaning to are refused."""

    access_token: Mapping[str, Any] = {}
    id_token: Mapping[str, Any] = {}
    scope: tuple[str, ...] | None = None
    """What remains of the scope; None leaves it as it is. It can only become less."""


class Denied(Exception):
    """Raised by a hook: no token. The reason is told to the app, in `error_description`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InteractionNeeded(Denied):
    """Raised by a hook: not without the person. The app gets `interaction_required` and sends them to sign in again."""


PreTokenHook = Callable[[PreToken], Awaitable[Claims | None]]


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's functions, one per occasion."""

    pre_token: PreTokenHook | None = None
