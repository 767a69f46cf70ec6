"""What a client authentication method is (RFC 6749 §2.3). One verifier serves every endpoint that knows clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from innkeeper.jose.hashes import constant_time_equal, sha256
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client

SECRETS_IN_ROTATION = 2
_NO_DIGEST = bytes(32)


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about who is calling. Nothing here is proved yet."""

    method: str
    client_id: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Presented(method={self.method!r}, client_id={self.client_id!r})"


class ClientAuthMethod(Protocol):
    """One value of `token_endpoint_auth_method`."""

    name: str

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """None when the request does not use this method. Raises `OAuthError` when it uses it wrongly."""
        ...

    def proves(self, presented: Presented, client: Client, now: datetime) -> bool:
        """`client` is a stand-in when there is none: the same work as for a wrong secret (CA-11)."""
        ...


def is_secret_of(secret: str | None, client: Client, now: datetime) -> bool:
    """In constant time against every live secret, filled up with dummies: always as many as a rotation may have."""
    presented = sha256((secret or "").encode())
    digests = [known.digest for known in client.secrets if known.expires_at is None or now < known.expires_at]
    dummies = [_NO_DIGEST] * (SECRETS_IN_ROTATION - len(digests))
    matches = [constant_time_equal(presented, digest) for digest in digests + dummies]
    return bool(secret) and any(matches[: len(digests)])
