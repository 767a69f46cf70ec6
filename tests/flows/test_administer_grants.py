"""An administrator sees what keeps access for a person, and ends one of it."""

from __future__ import annotations

import pytest

from innkeeper.server.flows.administer import grants, users
from innkeeper.server.flows.administer.refusal import Refused
from tests.docs.test_shown_in_a_world import audited
from tests.refreshing import a_refresh_token, a_refreshing_world, is_refused, refresh, refreshed, set_api
from tests.world import TIMESHEETS


async def test_what_lives_is_listed_with_its_last_use_the_latest_first() -> None:
    world = await a_refreshing_world()
    await set_api(world, allow_offline_access=True)
    first = await a_refresh_token(world)
    began = world.clock.now()
    world.clock.advance(hours=1)
    await a_refresh_token(world, "spa")
    assert [one.grant.client_id for one in await grants.lasting(world.services, "erin")] == ["spa", "web"]
    world.clock.advance(hours=1)
    await refreshed(world, first)
    web, spa = await grants.lasting(world.services, "erin")
    assert (web.grant.client_id, web.grant.api, web.family.issued_at) == ("web", TIMESHEETS, began)
    assert web.last_used_at == world.clock.now()
    assert spa.last_used_at == spa.family.issued_at
    only = await grants.lasting(world.services, "erin@example.test", "spa")
    assert [one.grant.client_id for one in only] == ["spa"]


async def test_one_is_revoked_and_the_others_and_the_consent_stay() -> None:
    world = await a_refreshing_world()
    first, second = await a_refresh_token(world), await a_refresh_token(world)
    latest, *_ = await grants.lasting(world.services, "erin")
    ended = await grants.revoke(world.services, latest.grant.grant_id)
    assert ended.client_id == "web"
    assert len(await grants.lasting(world.services, "erin")) == 1
    answers = [await refresh(world, token) for token in (first, second)]
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    is_refused(next(answer for answer in answers if answer.status_code == 400))
    assert audited(world).count("grant.revoked") == 1


async def test_what_has_ended_is_not_listed() -> None:
    world = await a_refreshing_world()
    await a_refresh_token(world)
    world.clock.advance(days=14, seconds=1)
    assert await grants.lasting(world.services, "erin") == []
    await a_refresh_token(world)
    await users.revoke_consents(world.services, "erin", "web")
    assert await grants.lasting(world.services, "erin") == []


async def test_whoever_is_unknown_is_said_to_be() -> None:
    world = await a_refreshing_world()
    with pytest.raises(Refused, match="no user 'nobody'"):
        await grants.lasting(world.services, "nobody")
    with pytest.raises(Refused, match="no app 'nobody'"):
        await grants.lasting(world.services, "erin", "nobody")
    with pytest.raises(Refused, match="no grant 'nothing'"):
        await grants.revoke(world.services, "nothing")
