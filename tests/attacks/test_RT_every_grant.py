"""Refresh tokens under attack, once for every way in which an app may have come by them (RFC 9700 §4.14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
import pytest

from innkeeper.server.flows.administer import grants, users
from innkeeper.server.model.client import ApiGrant, RefreshPolicy
from innkeeper.server.model.identifiers import ClientId
from tests import introspecting
from tests.attacks.oracles import is_json_error, no_row, still_works
from tests.attacks.token_requests import redeem, userinfo
from tests.fronting import FRONT_CALLBACK, answered
from tests.introspecting import a_guarded_world
from tests.passwords import PLAIN, REALM, ask
from tests.refreshing import OFFLINE, families, is_refused, signed_in
from tests.television import DEVICE_GRANT, TELEVISION, Phone, shown
from tests.world import PAYROLL, TIMESHEETS, World, a_public_client, basic

pytestmark = pytest.mark.anyio

PUBLIC = ("spa", "tv", "till")
PASSWORDS = (PLAIN, REALM, "refresh_token")


class Way(NamedTuple):
    """How a family begins, and whose it is."""

    client_id: str
    begin: Callable[[World, str], Awaitable[dict[str, Any]]]


def sender(client_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """Fields and headers that say who asks."""
    return ({"client_id": client_id}, {}) if client_id in PUBLIC else ({}, basic(client_id))


def good(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def by_code(world: World, client_id: str) -> dict[str, Any]:
    """RFC 6749 §4.1."""
    return await signed_in(world, client_id)


async def by_hybrid(world: World, client_id: str) -> dict[str, Any]:
    """OIDC Core §3.3."""
    told = await answered(world, response_type="code id_token", **OFFLINE)
    return good(await redeem(world, told["code"], client_id, redirect_uri=FRONT_CALLBACK))


async def by_device(world: World, client_id: str) -> dict[str, Any]:
    """RFC 8628."""
    who, proof = sender(client_id)
    codes = await shown(world, client_id=client_id, headers=proof, **OFFLINE)
    await Phone(world).connect(codes)
    form = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]} | who
    return good(await world.http().post("/oauth/token", data=form, headers=proof))


async def by_password(world: World, client_id: str) -> dict[str, Any]:
    """RFC 6749 §4.3."""
    return good(await ask(world, client_id=client_id, **OFFLINE))


async def by_realm(world: World, client_id: str) -> dict[str, Any]:
    """With the directory named."""
    return good(await ask(world, client_id=client_id, realm="default", **OFFLINE))


WAYS = {
    "code": Way("web", by_code),
    "code, public": Way("spa", by_code),
    "hybrid": Way("front", by_hybrid),
    "device": Way("tv", by_device),
    "password": Way("terminal", by_password),
    "realm, public": Way("till", by_realm),
}


class Family:
    """One that has begun: its world, its app and its first answer."""

    def __init__(self, world: World, way: Way, first: dict[str, Any]) -> None:
        self.world, self.client_id, self.begin, self.first = world, way.client_id, way.begin, first
        self.token = str(first["refresh_token"])

    async def refresh(
        self, token: str, *, client_id: str | None = None, address: str = "203.0.113.7", **form: str
    ) -> httpx2.Response:
        """One exchange; by its own app unless another is named."""
        who, proof = sender(client_id or self.client_id)
        sent = {"grant_type": "refresh_token", "refresh_token": token} | who | form
        return await self.world.http(address=address).post("/oauth/token", data=sent, headers=proof)

    async def refreshed(self, token: str, **form: str) -> dict[str, Any]:
        return good(await self.refresh(token, **form))

    async def revoke(self, token: str) -> None:
        """Given back by its own app."""
        who, proof = sender(self.client_id)
        answer = await self.world.http().post("/oauth/revoke", data={"token": token} | who, headers=proof)
        assert answer.status_code == 200, answer.text

    async def works(self, *answers: dict[str, Any]) -> None:
        """Their access tokens are believed."""
        for answer in answers:
            assert (await userinfo(self.world, answer["access_token"])).status_code == 200
            assert await introspecting.is_live(self.world, answer["access_token"])

    async def is_over(self, *answers: dict[str, Any]) -> None:
        """Neither the refresh tokens nor the access tokens of these answers are worth anything."""
        for answer in answers:
            is_refused(await self.refresh(answer["refresh_token"]))
        await self.access_is_over(*answers)

    async def access_is_over(self, *answers: dict[str, Any]) -> None:
        for answer in answers:
            assert (await userinfo(self.world, answer["access_token"])).status_code == 401
            assert not await introspecting.is_live(self.world, answer["access_token"])


@pytest.fixture(params=WAYS)
async def family(request: pytest.FixtureRequest) -> Family:
    world = await a_guarded_world()
    await world.change("terminal", grant_types=PASSWORDS)
    for client in (
        a_public_client("tv", **TELEVISION),
        a_public_client("till", grant_types=PASSWORDS, allow_public_password_grant=True),
    ):
        await world.services.store.clients.create(client, events=())
    await world.services.registry.refresh()
    way = WAYS[request.param]
    return Family(world, way, await way.begin(world, way.client_id))


# ------------------------------------------------------------ RT-01, RT-02, RT-08: reuse


async def test_RT_01_an_old_token_outside_the_overlap_ends_all_of_it(family: Family) -> None:
    second = await family.refreshed(family.token)
    third = await family.refreshed(second["refresh_token"])
    await family.works(family.first, second, third)
    family.world.clock.advance(seconds=10)
    is_refused(await family.refresh(second["refresh_token"]))
    assert "refresh.reused" in family.world.heard.types()
    await family.is_over(third, second, family.first)
    await still_works(family.world)


async def test_RT_01_a_second_family_of_the_same_way_goes_on(family: Family) -> None:
    """What ends is what was stolen."""
    other = await family.begin(family.world, family.client_id)
    await family.refreshed(family.token)
    family.world.clock.advance(seconds=10)
    await family.is_over(family.first)
    await family.works(other)
    await family.refreshed(other["refresh_token"])


@pytest.mark.parametrize("thief_first", [True, False])
async def test_RT_02_whoever_is_second_ends_it_for_both(family: Family, thief_first: bool) -> None:
    addresses = ["203.0.113.7", "198.51.100.66"]
    one, other = reversed(addresses) if thief_first else addresses
    won = good(await family.refresh(family.token, address=one))
    family.world.clock.advance(seconds=11)
    is_refused(await family.refresh(family.token, address=other))
    is_refused(await family.refresh(won["refresh_token"], address=one))
    told = [event.ip for event in family.world.heard.events if event.type == "refresh.reused"]
    assert told == [other]
    await family.access_is_over(family.first, won)


@pytest.mark.parametrize("given_back", ["the old one", "the new one"])
async def test_RT_08_a_token_that_was_revoked_has_no_overlap(family: Family, given_back: str) -> None:
    second = await family.refreshed(family.token)
    await family.revoke(family.token if given_back == "the old one" else second["refresh_token"])
    await family.is_over(family.first, second)


# ------------------------------------------------------------ RT-04, RT-05: never wider


async def test_RT_04_a_scope_beyond_the_grant_is_refused_and_uses_nothing(family: Family) -> None:
    for scope in ("delete:timesheets", "openid profile email", "unheard:of"):
        with no_row(family.world):
            is_json_error(await family.refresh(family.token, scope=scope), 400, "invalid_scope")
    second = await family.refreshed(family.token)
    assert set(second["scope"].split()) == set(str(OFFLINE["scope"]).split())


async def role_taken(family: Family) -> None:
    await family.world.change_user("erin", roles=())


async def ceiling_lowered(family: Family) -> None:
    ceiling = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),)
    await family.world.change(family.client_id, api_grants=ceiling)


@pytest.mark.parametrize("change", [role_taken, ceiling_lowered])
async def test_RT_04_what_was_taken_away_since_is_not_given_again(family: Family, change: Any) -> None:
    assert "create:timesheets" in family.first["scope"].split()
    await change(family)
    second = await family.refreshed(family.token)
    assert "create:timesheets" not in second["scope"].split()
    third = await family.refreshed(second["refresh_token"], scope="openid create:timesheets")
    assert third["scope"] == "openid"


async def test_RT_05_another_api_is_an_invalid_target(family: Family) -> None:
    """One that any app may have for good, so that nothing but the grant stands in the way."""
    await introspecting.set_api(family.world, PAYROLL, allow_offline_access=True)
    for name in ("resource", "audience"):
        for api in (PAYROLL, "https://nobody.example.test"):
            with no_row(family.world):
                is_json_error(await family.refresh(family.token, **{name: api}), 400, "invalid_target")
    await family.refreshed(family.token, resource=TIMESHEETS)


# ------------------------------------------------------------ RT-11: what ends it


async def person_disabled(family: Family) -> None:
    await users.set_enabled(family.world.services, "erin", is_enabled=False)


async def person_disabled_and_enabled(family: Family) -> None:
    await person_disabled(family)
    await users.set_enabled(family.world.services, "erin", is_enabled=True)


async def person_deleted(family: Family) -> None:
    await users.delete(family.world.services, "erin")


async def password_changed(family: Family) -> None:
    await users.set_password(family.world.services, "erin", "nine green bottles on a wall")


async def consent_taken_back(family: Family) -> None:
    await users.revoke_consents(family.world.services, "erin", family.client_id)


async def grant_ended(family: Family) -> None:
    [row] = families(family.world)
    await grants.revoke(family.world.services, row.grant_id)


async def app_disabled(family: Family) -> None:
    await family.world.change(family.client_id, is_enabled=False)


async def app_deleted(family: Family) -> None:
    await family.world.services.store.clients.delete(ClientId(family.client_id), events=())
    await family.world.services.registry.refresh()


OF_THE_PERSON = (
    person_disabled,
    person_disabled_and_enabled,
    person_deleted,
    password_changed,
    consent_taken_back,
    grant_ended,
)


@pytest.mark.parametrize("ending", OF_THE_PERSON)
async def test_RT_11_nothing_is_renewed_after(family: Family, ending: Any) -> None:
    """Neither by the living token nor by the overlap of the one before."""
    second = await family.refreshed(family.token)
    await family.works(second, family.first)
    await ending(family)
    await family.is_over(second, family.first)
    assert "refresh.reused" not in family.world.heard.types()


@pytest.mark.parametrize("ending", [app_disabled, app_deleted])
async def test_RT_11_an_app_that_is_gone_renews_nothing(family: Family, ending: Any) -> None:
    await family.works(family.first)
    await ending(family)
    is_json_error(await family.refresh(family.token), 401, "invalid_client")
    await family.access_is_over(family.first)


async def test_RT_11_an_app_that_lost_the_grant_type_renews_nothing(family: Family) -> None:
    await family.world.change(family.client_id, grant_types=("authorization_code",))
    with no_row(family.world):
        is_json_error(await family.refresh(family.token), 400, "unauthorized_client")


async def test_RT_11_a_family_ends_with_its_lifetime(family: Family) -> None:
    family.world.clock.advance(seconds=RefreshPolicy().idle.total_seconds())
    await family.is_over(family.first)


# ------------------------------------------------------------ RT-14, and strangers


async def test_RT_14_a_refresh_token_is_no_access_token(family: Family) -> None:
    for token in (family.token, (await family.refreshed(family.token))["refresh_token"]):
        with no_row(family.world):
            answer = await userinfo(family.world, token)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert not await introspecting.is_live(family.world, token)


async def test_RT_14_no_other_token_is_a_refresh_token(family: Family) -> None:
    for kind in ("access_token", "id_token"):
        with no_row(family.world):
            is_refused(await family.refresh(family.first[kind]))
    await family.refreshed(family.token)


async def test_another_apps_refresh_token_changes_nothing(family: Family) -> None:
    """Whether it lives or is long used: nobody ends what is somebody else's."""
    strangers = [name for name in ("other", "paycheck", "spa") if name != family.client_id]
    for stranger in strangers:
        with no_row(family.world):
            is_refused(await family.refresh(family.token, client_id=stranger))
    second = await family.refreshed(family.token)
    family.world.clock.advance(seconds=30)
    for stranger in strangers:
        with no_row(family.world):
            is_refused(await family.refresh(family.token, client_id=stranger))
    await family.works(family.first, second)
    await family.refreshed(second["refresh_token"])
