"""A refresh family too many goes in a statement of its own: what stands in its way costs nobody the code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from innkeeper.server.storage.outcomes import Done, Redeemed, Replayed
from innkeeper.server.storage.postgresql import issuance, open_store
from tests.contract.store import devices, families
from tests.contract.store.builders import NOW, World, an_attempt
from tests.contract.store.conftest import a_database

pytestmark = pytest.mark.anyio
# What the database may say to the second statement when the first one has been answered.
FAULTS = {
    "a full disk": "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'",
    "a timeout": "RAISE EXCEPTION 'canceling statement' USING ERRCODE = '57014'",
    "a missing right": "RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501'",
    "a deadlock": "RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'",
    "a lost connection": "PERFORM pg_terminate_backend(pg_backend_pid())",
}
REFUSE = "CREATE FUNCTION refuse() RETURNS trigger AS $$BEGIN {fault}; RETURN OLD; END$$ LANGUAGE plpgsql"
STAND_IN_ITS_WAY = (
    "CREATE TRIGGER refuse BEFORE DELETE ON refresh_families FOR EACH ROW EXECUTE FUNCTION refuse()"
)
STEP_ASIDE = "DROP TRIGGER refuse ON refresh_families"


@pytest.fixture
async def dsn(request: pytest.FixtureRequest) -> str:
    return await a_database(request)


@pytest.fixture
async def world(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A person and an app that may have one family."""
    monkeypatch.setattr(issuance, "MAX_FAMILIES", 1)
    store = await open_store(dsn, judges_by_caller=True)
    yield await World(store).build()
    await store.close()


async def by_code(world: World) -> None:
    code, grant = await world.issued()
    redemption = {"attempt": an_attempt(), "access_token": None, "family": families.a_family(grant)}
    assert await redeem(world, code.key, **redemption) == Redeemed()
    assert not await world.is_revoked(grant.grant_id)
    assert await redeem(world, code.key, **redemption) == Redeemed()
    assert await redeem(world, code.key, **redemption | {"attempt": an_attempt()}) == Replayed()


async def redeem(world: World, key: Any, **values: Any) -> Any:
    codes = world.store.codes
    return await codes.redeem(key, now=NOW, epochs=world.epochs, redeemed=(), replayed=(), **values)


async def by_grant(world: World) -> None:
    _, grant = world.authorization()
    family = families.a_family(grant)
    opened = await world.store.grants.open(
        grant, access_token=None, family=family, attempt=an_attempt(), events=()
    )
    assert opened == Done()


async def by_device(world: World) -> None:
    device, grant = await devices.approved(world)
    redeemed = await devices.redeem(world, device, family=families.a_family(grant))
    assert redeemed == Redeemed()


@pytest.mark.parametrize("issued", [by_code, by_grant, by_device])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_what_was_issued_stays_issued_when_nothing_can_be_evicted(
    world: World,
    dsn: str,
    fault: str,
    issued: Callable[[World], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await families.begun(world)
    administrator = await asyncpg.connect(dsn)
    try:
        await administrator.execute(REFUSE.format(fault=fault))
        await administrator.execute(STAND_IN_ITS_WAY)
        caplog.clear()
        await issued(world)
        [told] = {record.getMessage() for record in caplog.records if record.levelname == "WARNING"}
        assert "refresh family too many" in told
        assert len(await world.store.refresh_families.of(world.user.user_id)) == 2
        await administrator.execute(STEP_ASIDE)
        await families.begun(world)
        assert len(await world.store.refresh_families.of(world.user.user_id)) == 1
    finally:
        await administrator.close()
