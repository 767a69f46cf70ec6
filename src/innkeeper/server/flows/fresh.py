"""Fresh values: handles, ids and attempts, drawn from the entropy of the services."""

from datetime import datetime
from typing import Protocol

from innkeeper.jose import base64url
from innkeeper.server.model import handle
from innkeeper.server.model.identifiers import Attempt, GrantId, HandleKey, SessionId, Subject


class Entropy(Protocol):
    """Unpredictable bytes, and a counter that orders handles of the same second."""

    def random(self, length: int) -> bytes: ...
    def counter(self) -> int: ...


def new_handle(entropy: Entropy, kind: handle.HandleKind, latest_expiry: datetime) -> tuple[str, HandleKey]:
    """The text to give away and the key to store."""
    return handle.mint(
        kind,
        latest_expiry_s=int(latest_expiry.timestamp()) + 1,
        counter=entropy.counter(),
        random=entropy.random(handle.RANDOM_BYTES),
    )


def new_attempt(entropy: Entropy) -> Attempt:
    """Once per request."""
    return Attempt(entropy.random(16))


def new_grant_id(entropy: Entropy) -> GrantId:
    """Random; not secret, it is the first part of a JWT's `jti`."""
    return GrantId(base64url.encode(entropy.random(16)))


def new_session_id(entropy: Entropy) -> SessionId:
    """The public `sid`."""
    return SessionId(base64url.encode(entropy.random(16)))


def new_subject(entropy: Entropy) -> Subject:
    """A person's `sub`; its form can be no client_id, which holds no `|` (RFC 9700 §4.15)."""
    return Subject("ik|" + base64url.encode(entropy.random(18)))
