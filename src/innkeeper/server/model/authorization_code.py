"""An authorization code (RFC 6749 §4.1.2): single use, short-lived, bound to everything it was asked with."""

from datetime import datetime

import msgspec

from innkeeper.server.model.identifiers import ClientId, GrantId, HandleKey


class AuthorizationCode(msgspec.Struct, frozen=True, kw_only=True):
    """`redirect_uri` is None when the request left it out, which only RFC 6749 §3.1.2.3 allows."""

    key: HandleKey
    grant_id: GrantId
    client_id: ClientId
    redirect_uri: str | None
    code_challenge: str | None
    nonce: str | None
    issued_at: datetime
    expires_at: datetime
