"""Authorization codes and the grants they complete, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, GrantId, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.trusted_issuer import AssertionUse
from innkeeper.server.storage.memory.access_tokens import grant_standing
from innkeeper.server.storage.memory.refresh_families import add_family
from innkeeper.server.storage.memory.tables import AssertionIdRow, CodeRow, Tables
from innkeeper.server.storage.outcomes import (
    AlreadyClaimed,
    AlreadyRedeemed,
    Burnt,
    CodeAndGrant,
    Done,
    Gone,
    GrantStanding,
    Missing,
    Redeemed,
    Replayed,
    Stale,
)


class MemoryCodes:
    """See `interface.Codes`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None = None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        return self._tables.transition(partial(self._issue, code, grant, access_token, attempt, events))

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        return self._tables.read(partial(self._read, key))

    async def redeem(
        self,
        key: HandleKey,
        *,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None = None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
    ) -> Redeemed | Replayed | Gone | Stale:
        run = partial(self._redeem, key, attempt, now, epochs, access_token, family, redeemed, replayed)
        return self._tables.transition(run)

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        return self._tables.transition(partial(self._burn, key, attempt, now, events))

    def _issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale:
        tables = self._tables
        stored = tables.codes.get(code.key)
        if stored is not None:
            return Done() if stored.issued_by == attempt else Stale()
        if not tables.may_begin(grant):
            return Stale()
        tables.grants[grant.grant_id] = grant
        tables.codes[code.key] = CodeRow(code=code, issued_by=attempt)
        if access_token is not None:
            tables.access_tokens[access_token.key] = access_token
        tables.record(events)
        return Done()

    def _read(self, key: HandleKey) -> CodeAndGrant | None:
        row = self._tables.codes.get(key)
        if row is None:
            return None
        grant = self._tables.grants[row.code.grant_id]
        return CodeAndGrant(
            code=row.code,
            grant=grant,
            user=self._tables.users.get(grant.user_id),
            consent_epoch=self._tables.consent_epoch(grant.user_id, grant.client_id, grant.api),
            consents=self._tables.consents_of(grant.user_id, grant.client_id),
        )

    def _redeem(
        self,
        key: HandleKey,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
        is_retry: bool,
    ) -> Redeemed | Replayed | Gone | Stale:
        tables = self._tables
        row = tables.codes.get(key)
        if row is None:
            return Gone()
        if row.redeemed_by == attempt:
            return Redeemed()
        grant = tables.grants[row.code.grant_id]
        if row.is_spent:
            tables.revoke(grant, now, replayed)
            return Replayed()
        if row.code.expires_at <= now or grant.revoked_at is not None:
            return Gone()
        if grant.bound_to is not None:
            session_ends_at = tables.session_ends_at(grant.bound_to)
            if session_ends_at is None or session_ends_at <= now:
                return Gone()
        consent_epoch = tables.consent_epoch(grant.user_id, grant.client_id, grant.api)
        if not tables.is_current(grant.user_id, grant.client_id, epochs, consent_epoch=consent_epoch):
            return Stale()
        tables.codes[key] = replace(row, redeemed_by=attempt)
        if access_token is not None:
            tables.access_tokens[access_token.key] = access_token
        add_family(tables, family)
        tables.record(redeemed)
        return Redeemed()

    def _burn(
        self, key: HandleKey, attempt: Attempt, now: datetime, events: Sequence[Event], is_retry: bool
    ) -> Burnt | AlreadyRedeemed | Gone:
        row = self._tables.codes.get(key)
        if row is None:
            return Gone()
        if row.burnt_by == attempt:
            return Burnt()
        if row.is_spent:
            return AlreadyRedeemed()
        if row.code.expires_at <= now or self._tables.grants[row.code.grant_id].revoked_at is not None:
            return Gone()
        self._tables.codes[key] = replace(row, burnt_by=attempt)
        self._tables.record(events)
        return Burnt()


class MemoryGrants:
    """See `interface.Grants`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open(
        self,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        return self._tables.transition(partial(self._open, grant, access_token, family, attempt, events))

    async def open_by_assertion(
        self,
        grant: Grant,
        *,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale | AlreadyClaimed:
        return self._tables.transition(
            partial(self._open_by_assertion, grant, assertion, access_token, attempt, events)
        )

    async def standing(self, grant_id: GrantId, token: HandleKey | None = None) -> GrantStanding | None:
        return self._tables.read(partial(grant_standing, self._tables, grant_id, token))

    async def revoke(self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._revoke, grant_id, now, events))

    def _open(
        self,
        grant: Grant,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        attempt: Attempt,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale:
        tables = self._tables
        if grant.grant_id in tables.grants:
            return Done() if tables.opened_by.get(grant.grant_id) == attempt else Stale()
        if not tables.may_begin(grant):
            return Stale()
        tables.grants[grant.grant_id] = grant
        tables.opened_by[grant.grant_id] = attempt
        if access_token is not None:
            tables.access_tokens[access_token.key] = access_token
        add_family(tables, family)
        tables.record(events)
        return Done()

    def _open_by_assertion(
        self,
        grant: Grant,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale | AlreadyClaimed:
        tables = self._tables
        if tables.opened_by.get(grant.grant_id) == attempt:
            return Done()
        if assertion.digest in tables.assertion_ids:
            return AlreadyClaimed()
        issuer = tables.trusted_issuers.get(assertion.issuer)
        if issuer is None or issuer.revision != assertion.issuer_revision:
            return Stale()
        opened = self._open(grant, access_token, None, attempt, events, is_retry)
        if isinstance(opened, Done):
            tables.assertion_ids[assertion.digest] = AssertionIdRow(
                expires_at=assertion.expires_at, claimed_by=attempt
            )
        return opened

    def _revoke(
        self, grant_id: GrantId, now: datetime, events: Sequence[Event], is_retry: bool
    ) -> Done | Missing:
        grant = self._tables.grants.get(grant_id)
        if grant is None:
            return Missing()
        self._tables.revoke(grant, now, events)
        return Done()
