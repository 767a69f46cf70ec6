"""What a client authentication method is (RFC 6749 §2.3). One verifier serves every endpoint that knows clients."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.hashes import constant_time_equal, sha256
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Unverified
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_assertion import Assertion, Audience

SECRETS_IN_ROTATION = 2
_NO_DIGEST = bytes(32)


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about who is calling. Nothing here is proved yet."""

    method: str
    client_id: str
    secret: str | None = None
    assertion: Assertion | None = None

    def __repr__(self) -> str:
        return f"Presented(method={self.method!r}, client_id={self.client_id!r})"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the flow has gathered for the verdict beside the client's record."""

    now: datetime
    audience: Audience
    keys: KeySet = KeySet(())
    """The client's living public keys."""
    secrets: tuple[bytes, ...] = ()
    """The client's living secrets themselves, for the method that signs with them."""


class ClientAuthMethod(Protocol):
    """One value of `token_endpoint_auth_method`."""

    name: str

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """None when the request does not use this method. Raises `OAuthError` when it uses it wrongly."""
        ...

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """Why it is not proved, for the log; None when it is.

        `client` is a stand-in when there is none: the same work as for a wrong secret (CA-11).
        """
        ...


def assertion_objection(
    presented: Presented, client: Client, facts: Facts, check: Callable[[Unverified], None]
) -> str | None:
    """Of the methods that send a JWT: what it says first, a signature is worth checking only under good words."""
    if presented.assertion is None:
        return "no assertion"
    said = client_assertion.fault(
        presented.assertion, facts.audience, facts.now, may_name_endpoint=client.accepts_endpoint_audience
    )
    if said is not None:
        return said
    try:
        check(presented.assertion.token)
    except TokenRefused as refused:
        return str(refused)
    return None


def secret_objection(presented: Presented, client: Client, facts: Facts) -> str | None:
    """Of the methods that send the secret itself."""
    return None if is_secret_of(presented.secret, client, facts.now) else "wrong secret"


def is_secret_of(secret: str | None, client: Client, now: datetime) -> bool:
    """In constant time against every live secret, filled up with dummies: always as many as a rotation may have."""
    presented = sha256((secret or "").encode())
    digests = [known.digest for known in client.secrets if known.expires_at is None or now < known.expires_at]
    dummies = [_NO_DIGEST] * (SECRETS_IN_ROTATION - len(digests))
    matches = [constant_time_equal(presented, digest) for digest in digests + dummies]
    return bool(secret) and any(matches[: len(digests)])
