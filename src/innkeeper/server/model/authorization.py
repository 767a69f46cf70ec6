"""What every grant type proves, and all that the issuer of tokens needs to know."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.grant import NO_NAMED_CLAIMS, NamedClaims
from innkeeper.server.model.identifiers import GrantId, SessionId
from innkeeper.server.model.user import User


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """How and when the person proved themselves (OIDC Core §2)."""

    sid: SessionId | None
    auth_time: datetime | None
    """None when another issuer spoke for the person, and did not say."""
    amr: tuple[str, ...]
    acr: str | None


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """`user` is None when the client acts for itself (RFC 6749 §4.4). `api` is None for userinfo only."""

    client: Client
    user: User | None
    api: Api | None
    scope: Scope
    grant_id: GrantId | None = None
    authentication: Authentication | None = None
    nonce: str | None = None
    claims: NamedClaims = NO_NAMED_CLAIMS
    access_token_lifetime: timedelta = timedelta(seconds=900)
    begins_family: bool = False
    """A refresh token leaves with it: offline_access was granted, and this is where it begins."""
    access_token_claims: Mapping[str, Any] = {}
    id_token_claims: Mapping[str, Any] = {}
    """What the operator's hook adds to each, already checked."""
    act: Mapping[str, Any] | None = None
    """Who acts for the person, after an exchange (RFC 8693 §4.1)."""
    issued_token_type: str | None = None
    """What the answer of an exchange says that it is (RFC 8693 §2.2.1)."""
