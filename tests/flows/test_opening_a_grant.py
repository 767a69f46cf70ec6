"""A grant type that completes an authorization at the token endpoint: one transition for grant and tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Context,
    Evidence,
    Lookup,
    Nothing,
    OpenGrant,
    Refusal,
)
from innkeeper.server.storage.outcomes import Stale
from tests.attacks.oracles import no_row
from tests.attacks.token_requests import tables, userinfo
from tests.world import START, TIMESHEETS, World, a_user, a_world, basic

pytestmark = pytest.mark.anyio


class Vouched:
    """Whoever the app names has signed in, says the app. Everything it needs is in the form."""

    name = "urn:example:params:oauth:grant-type:vouched"
    allows_public_clients = False
    client_types = ("regular_web",)

    def lookup(self, form: Parameters) -> Lookup:
        return Nothing()

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        scope = Scope.parse(form.get("scope"))
        audience = form.get("audience")
        return Authorization(
            client=context.client,
            user=a_user("erin"),
            api=None if audience is None else context.registry.apis[ApiIdentifier(audience)],
            scope=scope,
            authentication=Authentication(sid=None, auth_time=START, amr=("pwd",), acr=None),
            begins_family="offline_access" in scope,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        client = authorization.client
        return OpenGrant(
            epochs=Epochs(client_revision=client.revision, client_epoch=client.epoch, user_epoch=1)
        )


@pytest.fixture
async def world() -> World:
    made = await a_world(grants=(*GRANTS, Vouched()))
    await made.change("web", grant_types=("authorization_code", "refresh_token", Vouched.name))
    return made


async def ask(world: World, **form: str) -> Any:
    return await world.http().post(
        "/oauth/token", data={"grant_type": Vouched.name} | form, headers=basic("web")
    )


def is_put_off(answer: Any) -> None:
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["error"] == "temporarily_unavailable"


async def test_grant_access_token_and_refresh_family_are_one_transition(world: World) -> None:
    counters = world.services.store.counters  # type: ignore[attr-defined]
    before = counters.transitions
    answer = (await ask(world, scope="openid offline_access")).json()
    assert counters.transitions - before == 1
    assert len(tables(world).grants) == len(tables(world).access_tokens) == 1
    assert len(tables(world).refresh_families) == 1
    assert answer["id_token"]
    assert (await userinfo(world, answer["access_token"])).json()["sub"] == "ik|erin"
    assert world.heard.types() == ["grant.opened"]
    assert [row.type for row in await world.services.store.audit_rows()] == ["grant.opened"]  # type: ignore[attr-defined]


async def test_the_refresh_token_works_and_revoking_it_ends_the_access_token(world: World) -> None:
    answer = (await ask(world, scope="openid offline_access")).json()
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    refreshed = (await world.http().post("/oauth/token", data=form, headers=basic("web"))).json()
    assert refreshed["scope"] == "openid offline_access"
    gone = {"token": refreshed["refresh_token"]}
    assert (await world.http().post("/oauth/revoke", data=gone, headers=basic("web"))).status_code == 200
    assert (await userinfo(world, answer["access_token"])).status_code == 401


async def test_an_access_token_of_an_api_carries_the_grants_id(world: World) -> None:
    answer = (await ask(world, scope="openid", audience=TIMESHEETS)).json()
    [grant] = tables(world).grants.values()
    assert grant.api == TIMESHEETS and grant.sid is None
    assert (await userinfo(world, answer["access_token"])).status_code == 200
    assert grant.expires_at - grant.created_at == timedelta(minutes=15)


async def test_the_grant_ends_with_the_person(world: World) -> None:
    answer = (await ask(world, scope="openid")).json()
    await world.change_user("erin", epoch=2)
    assert (await userinfo(world, answer["access_token"])).status_code == 401


async def test_a_person_who_has_changed_meanwhile_gets_nothing(world: World) -> None:
    await world.change_user("erin", epoch=2)
    with no_row(world):
        is_put_off(await ask(world, scope="openid"))


async def test_a_change_of_the_app_that_does_not_matter_is_decided_again(world: World) -> None:
    await ask(world, scope="openid")  # the server has the app in its cache
    client = await world.services.store.clients.get("web")  # type: ignore[arg-type]
    assert client is not None
    await world.services.store.clients.replace(msgspec.structs.replace(client, name="Other"), events=())
    assert (await ask(world, scope="openid")).status_code == 200


async def test_what_keeps_changing_is_decided_three_times_with_one_attempt(world: World) -> None:
    store: Any = world.services.store
    tries: list[bytes] = []

    class Moving:
        async def open(self, grant: Any, *, attempt: bytes, **rest: Any) -> Stale:
            tries.append(attempt)
            return Stale()

    store.grants = Moving()
    is_put_off(await ask(world, scope="openid"))
    assert len(tries) == 3 and len(set(tries)) == 1


async def test_a_lost_answer_is_still_one_grant(world: World) -> None:
    store: Any = world.services.store
    store.lose_next_answer()
    assert (await ask(world, scope="openid")).status_code == 200
    assert len(tables(world).grants) == 1
