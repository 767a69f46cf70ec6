"""Access tokens and what they stand on, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ClientId, GrantId, HandleKey
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import ClientStanding, Done, GrantStanding, OpaqueStanding, Stale


class MemoryAccessTokens:
    """See `interface.AccessTokens`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def issue(
        self, token: OpaqueAccessToken, *, client_revision: int, events: Sequence[Event]
    ) -> Done | Stale:
        return self._tables.transition(partial(self._issue, token, client_revision, events))

    async def opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        return self._tables.read(partial(self._opaque_standing, key))

    async def client_standing(self, client_id: ClientId, token: HandleKey | None = None) -> ClientStanding:
        return self._tables.read(partial(self._client_standing, client_id, token))

    async def deny(self, token: HandleKey, *, expires_at: datetime, events: Sequence[Event]) -> Done:
        return self._tables.transition(partial(self._deny, token, expires_at, events))

    def _issue(
        self, token: OpaqueAccessToken, client_revision: int, events: Sequence[Event], is_retry: bool
    ) -> Done | Stale:
        tables, client = self._tables, self._tables.clients.get(token.client_id)
        if token.key in tables.access_tokens:
            return Done()
        basis = (client_revision, token.client_epoch)
        if client is None or not client.is_enabled or (client.revision, client.epoch) != basis:
            return Stale()
        tables.access_tokens[token.key] = token
        tables.record(events)
        return Done()

    def _opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        token = self._tables.access_tokens.get(key)
        if token is None:
            return None
        if token.grant_id is None:
            return OpaqueStanding(token=token, standing=self._client_standing(token.client_id, key))
        standing = grant_standing(self._tables, token.grant_id, key)
        return None if standing is None else OpaqueStanding(token=token, standing=standing)

    def _client_standing(self, client_id: ClientId, token: HandleKey | None) -> ClientStanding:
        client = self._tables.clients.get(client_id)
        is_there = client is not None and client.is_enabled
        return ClientStanding(
            client_epoch=client.epoch if client is not None and is_there else None,
            tokens_not_before=self._tables.tokens_not_before.get(client_id) if is_there else None,
            is_denied=token in self._tables.denied_tokens,
        )

    def _deny(self, token: HandleKey, expires_at: datetime, events: Sequence[Event], is_retry: bool) -> Done:
        if token not in self._tables.denied_tokens:
            self._tables.denied_tokens[token] = expires_at
            self._tables.record(events)
        return Done()


def grant_standing(tables: Tables, grant_id: GrantId, token: HandleKey | None) -> GrantStanding | None:
    """A client that is disabled counts as gone: what it got must not live until somebody notices."""
    grant = tables.grants.get(grant_id)
    if grant is None:
        return None
    client = tables.clients.get(grant.client_id)
    return GrantStanding(
        grant=grant,
        user=tables.users.get(grant.user_id),
        client_epoch=client.epoch if client is not None and client.is_enabled else None,
        consent_epoch=tables.consent_epoch(grant.user_id, grant.client_id, grant.api),
        session_ends_at=tables.session_ends_at(grant.bound_to),
        is_denied=token in tables.denied_tokens,
    )
