"""What an answer makes of a consent, and what stands for one that was never written: alike in every store."""

from datetime import datetime

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject


def extended(stored: Consent, scope: Scope, now: datetime) -> Consent:
    """What is stored and this scope; an expired consent contributes nothing but its epoch."""
    kept = () if stored.expires_at is not None and stored.expires_at <= now else stored.scope
    return replace(stored, scope=tuple(dict.fromkeys((*kept, *scope))), granted_at=now, expires_at=None)


def skipped(user_id: Subject, client_id: ClientId, api: ApiIdentifier | None, at: datetime) -> Consent:
    """What a missing row stands for: nothing allowed, epoch 0."""
    return Consent(user_id=user_id, client_id=client_id, api=api, scope=(), epoch=0, granted_at=at)
