"""Deliberately broken stores: every law of single use is seen to fail against a store that breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.identifiers import HandleKey
from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.memory.codes import MemoryCodes
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Redeemed, Replayed
from innkeeper.server.storage.sqlite import assertion_ids as sqlite_assertion_ids
from innkeeper.server.storage.sqlite import clients as sqlite_clients
from innkeeper.server.storage.sqlite import codes as sqlite_codes
from innkeeper.server.storage.sqlite import issuance as sqlite_issuance
from innkeeper.server.storage.sqlite import leases as sqlite_leases
from innkeeper.server.storage.sqlite import links as sqlite_links
from innkeeper.server.storage.sqlite import open_store
from tests.contract.store import laws
from tests.contract.store.builders import World, an_attempt

Law = Callable[[World], Awaitable[None]]

# A statement, what is taken out of it, what stands there instead, and the law that must notice.
BROKEN_STATEMENTS: dict[str, tuple[ModuleType, str, str, str, Law]] = {
    "a redemption that does not ask whether it is the first": (
        sqlite_codes,
        "REDEEM",
        "AND a.redeemed_at IS NULL",
        "",
        laws.a_code_has_one_winner,
    ),
    "a redemption that does not ask whether the code was burnt": (
        sqlite_codes,
        "REDEEM",
        "AND a.burnt_at IS NULL",
        "",
        laws.a_burnt_code_is_never_redeemed,
    ),
    "a redemption that forgets who won": (
        sqlite_codes,
        "REDEEM",
        "redeemed_by = ?3",
        "redeemed_by = substr(?3, 9)",
        laws.an_attempt_that_won_is_told_so_again,
    ),
    "a redemption that does not look at the clock": (
        sqlite_codes,
        "REDEEM",
        "AND a.expires_at > ?2",
        "",
        laws.an_expired_code_is_gone,
    ),
    "a redemption that does not look at the grant": (
        sqlite_codes,
        "REDEEM",
        "AND g.revoked_at IS NULL",
        "",
        laws.a_revoked_grant_has_no_code,
    ),
    "a redemption that ignores the client's revision": (
        sqlite_codes,
        "REDEEM",
        "AND c.revision = ?4",
        "",
        laws.a_moved_epoch_makes_redemption_stale,
    ),
    "a redemption that ignores the client's epoch": (
        sqlite_codes,
        "REDEEM",
        "AND c.epoch = ?5",
        "",
        laws.a_moved_epoch_makes_redemption_stale,
    ),
    "a redemption that ignores the person's epoch": (
        sqlite_codes,
        "REDEEM",
        "AND u.epoch = ?6",
        "",
        laws.a_moved_epoch_makes_redemption_stale,
    ),
    "a redemption that ignores the consent's epoch": (
        sqlite_codes,
        "REDEEM",
        "AND coalesce(k.epoch, 0) = ?7",
        "AND ?7 IS NOT NULL",
        laws.a_moved_epoch_makes_redemption_stale,
    ),
    "an issue that ignores the client's revision": (
        sqlite_issuance,
        "INSERT_GRANT",
        "AND c.revision = ?7",
        "",
        laws.a_moved_epoch_makes_issuing_stale,
    ),
    "an issue that ignores the consent's epoch": (
        sqlite_issuance,
        "INSERT_GRANT",
        "AND coalesce(k.epoch, 0) = ?10",
        "AND ?10 IS NOT NULL",
        laws.a_moved_epoch_makes_issuing_stale,
    ),
    "an issue that forgets who won": (
        sqlite_codes,
        "ISSUED_BY",
        "issued_by",
        "NULL",
        laws.an_issue_that_won_is_told_so_again,
    ),
    "a burning that forgets who won": (
        sqlite_codes,
        "BURN",
        "burnt_by = ?3",
        "burnt_by = substr(?3, 9)",
        laws.a_burning_that_won_is_told_so_again,
    ),
    "a claim that takes an assertion over": (
        sqlite_assertion_ids,
        "CLAIM",
        "DO NOTHING",
        "DO UPDATE SET claimed_by = excluded.claimed_by",
        laws.an_assertion_is_claimed_once,
    ),
    "a claim that forgets who won": (
        sqlite_assertion_ids,
        "CLAIMED_BY",
        "claimed_by",
        "NULL",
        laws.a_claim_that_won_is_told_so_again,
    ),
    "a lease that is taken from its holder": (
        sqlite_leases,
        "TAKE",
        "OR leases.expires_at <= ?4",
        "OR ?4 IS NOT NULL",
        laws.a_lease_has_one_holder,
    ),
    "a lease that never ends": (
        sqlite_leases,
        "TAKE",
        "OR leases.expires_at <= ?4",
        "AND ?4 IS NOT NULL",
        laws.a_lease_has_one_holder,
    ),
    "a replacement that does not ask for the revision": (
        sqlite_clients,
        "REPLACE",
        "AND revision = ?7",
        "AND ?7 IS NOT NULL",
        laws.a_raced_client_has_one_change,
    ),
    "a link that does not ask whether it was used": (
        sqlite_links,
        "IS_USABLE",
        "AND used_at IS NULL",
        "",
        laws.a_link_is_used_once,
    ),
}


@pytest.mark.parametrize("name", BROKEN_STATEMENTS)
async def test_the_contract_catches(name: str, monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
    module, statement, condition, instead, law = BROKEN_STATEMENTS[name]
    whole: str = getattr(module, statement)
    assert condition in whole, "the statement has changed: take the condition out of the new one"
    monkeypatch.setattr(module, statement, whole.replace(condition, instead))
    if module is sqlite_links:
        use = sqlite_links.USE.replace("AND used_at IS NULL", "")
        monkeypatch.setattr(sqlite_links, "USE", use)
    await the_law_is_broken(law, database)


async def test_the_contract_catches_a_replay_that_revokes_nothing(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.setattr(sqlite_codes, "revoke_grant", lambda *arguments: None)
    await the_law_is_broken(laws.a_replay_revokes_the_grant, database)


async def the_law_is_broken(law: Law, database: Path) -> None:
    store = open_store(database)
    try:
        world = await World(store).build()
        with pytest.raises(AssertionError):
            await law(world)
    finally:
        await store.close()


class HesitantCodes(MemoryCodes):
    """Reads, checks, waits, and then writes: the most repeated bug of the field."""

    async def redeem(self, key: HandleKey, **values: Any) -> Any:
        row = self._tables.codes[key]
        if row.is_spent:
            return Replayed()
        await asyncio.sleep(0)
        self._tables.codes[key] = replace(row, redeemed_by=values["attempt"])
        return Redeemed()


class ForgetfulCodes(MemoryCodes):
    """Does not recognise an attempt that it has seen before."""

    def _redeem(self, key: Any, attempt: Any, *rest: Any) -> Any:
        return super()._redeem(key, an_attempt(), *rest)

    def _issue(self, code: Any, grant: Any, token: Any, attempt: Any, *rest: Any) -> Any:
        return super()._issue(code, grant, token, an_attempt(), *rest)

    def _burn(self, key: Any, attempt: Any, *rest: Any) -> Any:
        return super()._burn(key, an_attempt(), *rest)


@pytest.fixture
async def memory_world() -> AsyncIterator[World]:
    store = MemoryStore()
    yield await World(store).build()
    await store.close()


def tables_of(world: World) -> Tables:
    assert isinstance(world.store, MemoryStore)
    return world.store._tables


@pytest.mark.parametrize("law", [laws.a_code_has_one_winner, laws.a_replay_revokes_the_grant])
async def test_the_contract_catches_a_store_that_reads_checks_and_then_writes(
    law: Law, memory_world: World
) -> None:
    memory_world.store.codes = HesitantCodes(tables_of(memory_world))
    with pytest.raises(AssertionError):
        await law(memory_world)


@pytest.mark.parametrize(
    "law",
    [
        laws.an_attempt_that_won_is_told_so_again,
        laws.an_issue_that_won_is_told_so_again,
        laws.a_burning_that_won_is_told_so_again,
    ],
)
async def test_the_contract_catches_a_store_that_forgets_the_attempt(law: Law, memory_world: World) -> None:
    memory_world.store.codes = ForgetfulCodes(tables_of(memory_world))
    with pytest.raises(AssertionError):
        await law(memory_world)


@pytest.mark.parametrize(
    "law", [laws.a_moved_epoch_makes_redemption_stale, laws.a_moved_epoch_makes_issuing_stale]
)
async def test_the_contract_catches_a_store_that_ignores_epochs(
    law: Law, memory_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tables, "is_current", lambda *arguments, **values: True)
    with pytest.raises(AssertionError):
        await law(memory_world)


async def test_the_contract_catches_a_store_that_does_not_revoke_on_replay(
    memory_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tables, "revoke", lambda *arguments: None)
    with pytest.raises(AssertionError):
        await laws.a_replay_revokes_the_grant(memory_world)


LAWS = {law.__name__: law for *_, law in BROKEN_STATEMENTS.values()}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
async def test_a_store_that_is_not_broken_obeys(law: Law, world: World) -> None:
    """Otherwise the broken ones could fail for another reason."""
    await law(world)
