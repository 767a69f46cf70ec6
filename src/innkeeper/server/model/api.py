"""An API (a resource server's record): its identifier is the audience of access tokens, and is never called."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from innkeeper.server.model.client import SigningAlgorithm
from innkeeper.server.model.identifiers import ApiIdentifier


class ApiScope(msgspec.Struct, frozen=True, kw_only=True):
    """One permission, named `action:resource`, with the words a person reads at consent."""

    value: str
    description: str = ""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """`user_access`: `all` clients may ask on behalf of people, or only those with a client grant (`per_app`).

    Third-party clients always need a client grant.
    """

    identifier: ApiIdentifier
    name: str
    scopes: tuple[ApiScope, ...] = ()
    default_scope: tuple[str, ...] = ()
    signing_alg: SigningAlgorithm = "ES256"
    access_token_lifetime: timedelta = timedelta(seconds=900)
    token_format: Literal["jwt", "opaque"] = "jwt"
    token_profile: Literal["rfc9068", "auth0"] = "rfc9068"
    """The claims and the `typ` of its JWTs."""
    permissions_claim: bool = False
    """Its tokens list everything that the person may do on it, asked for or not (R-SC5)."""
    allow_offline_access: bool = False
    skip_consent: bool = True
    enforce_rbac: bool = False
    user_access: Literal["all", "per_app", "none"] = "all"
    created_at: datetime | None = None
    """What was allowed before belongs to another API of this name, which was deleted. None: of old, ask nothing."""
    revision: int = 1

    def is_younger_than(self, given_at: datetime) -> bool:
        """Whether what was given then was given for an API that is no more."""
        return self.created_at is not None and given_at < self.created_at

    @property
    def scope_values(self) -> tuple[str, ...]:
        """The names of all its permissions."""
        return tuple(scope.value for scope in self.scopes)
