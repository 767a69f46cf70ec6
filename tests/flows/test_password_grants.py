"""The password grants: what they give, to whom, and what they cost the store."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.config import SignInLimits
from innkeeper.server.flows.services import Busy
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.attacks.authorizing import claims_of
from tests.attacks.oracles import is_json_error
from tests.attacks.token_requests import tables, userinfo
from tests.passwords import CONTRACTORS, OTHER_PASSWORD, PLAIN, REALM, a_password_world, add, ask
from tests.visitor import Visitor
from tests.world import PAYROLL, SPA_ORIGIN, TIMESHEETS, World, a_user, basic

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_password_world()


async def answer_of(world: World, *given: Any, **form: Any) -> dict[str, Any]:
    answer = await ask(world, *given, **form)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


# ------------------------------------------------------------ who


@pytest.mark.parametrize("username", ["erin", "Erin@Example.test", "+1 (202) 555-0100"])
async def test_a_person_is_known_by_username_email_and_phone_number(world: World, username: str) -> None:
    answer = await answer_of(world, username)
    assert (await userinfo(world, answer["access_token"])).json()["sub"] == "ik|erin"


async def test_a_realm_chooses_between_two_people_of_one_address(world: World) -> None:
    address = "carl@example.test"
    mine = await answer_of(world, address)
    named = await answer_of(world, address, realm="default")
    theirs = await answer_of(world, address, OTHER_PASSWORD, realm=CONTRACTORS)
    subjects = [claims_of(answer["id_token"])["sub"] for answer in (mine, named, theirs)]
    assert subjects == ["ik|carl", "ik|carl", "ik|carl2"]


async def test_without_a_realm_the_domain_of_an_address_changes_nothing(world: World) -> None:
    is_json_error(await ask(world, "dora@contractor.test", OTHER_PASSWORD), 400, "invalid_grant")
    await answer_of(world, "dora@contractor.test", OTHER_PASSWORD, realm=CONTRACTORS)
    # A realm beside the plain grant is an unknown parameter, and those are ignored.
    is_json_error(
        await ask(world, "dora", OTHER_PASSWORD, realm=CONTRACTORS, grant_type=PLAIN), 400, "invalid_grant"
    )


async def test_json_is_taken_as_well(world: World) -> None:
    body = {"grant_type": REALM, "username": "erin", "password": 'p"ä\\', "realm": "default"}
    await add(world, a_user("nora"), body["password"])
    answer = await world.http().post(
        "/oauth/token", json=body | {"username": "nora"}, headers=basic("terminal")
    )
    assert answer.status_code == 200


# ------------------------------------------------------------ what


async def test_openid_brings_an_id_token_that_says_how_and_when_and_names_no_session(world: World) -> None:
    answer = await answer_of(world, scope="openid profile")
    assert answer["scope"] == "openid profile"
    claims = claims_of(answer["id_token"])
    assert claims["amr"] == ["pwd"]
    assert claims["auth_time"] == int(world.clock.now().timestamp())
    assert claims["name"] == "Erin Example"
    assert "sid" not in claims and "refresh_token" not in answer
    assert not tables(world).sessions


async def test_nobody_is_signed_in_anywhere_by_it(world: World) -> None:
    visitor = Visitor(world)
    form = {"grant_type": PLAIN, "username": "erin", "password": "correct horse battery staple"}
    answer = await visitor.http.post("/oauth/token", data=form, headers=basic("terminal"))
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    await visitor.authorize(prompt="none")
    assert visitor.answer()["error"] == "login_required"


async def test_offline_access_brings_a_refresh_token_that_works(world: World) -> None:
    answer = await answer_of(world, scope="openid offline_access read:timesheets", audience=TIMESHEETS)
    assert answer["scope"].split() == ["openid", "offline_access", "read:timesheets"]
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    again = await world.http().post("/oauth/token", data=form, headers=basic("terminal"))
    assert again.status_code == 200 and again.json()["scope"] == answer["scope"]
    claims = claims_of(again.json()["id_token"])
    assert (claims["sub"], claims["amr"]) == ("ik|erin", ["pwd"])


async def test_without_scope_come_the_defaults_of_the_api_within_what_the_person_may(world: World) -> None:
    api = await world.services.store.apis.get(TIMESHEETS)
    assert api is not None
    defaults = ("read:timesheets", "approve:timesheets")
    await world.services.store.apis.replace(replace(api, default_scope=defaults), events=())
    await world.services.registry.refresh()
    answer = await answer_of(world, scope=None, audience=TIMESHEETS)
    assert answer["scope"] == "read:timesheets"
    assert "id_token" not in answer
    assert (await answer_of(world, "carl", scope=None, audience=TIMESHEETS))["scope"] == ""


async def test_the_scope_is_within_what_person_and_app_may(world: World) -> None:
    wanted = "read:timesheets approve:timesheets create:timesheets"
    assert (await answer_of(world, scope=wanted, audience=TIMESHEETS))["scope"] == (
        "read:timesheets create:timesheets"
    )
    ceiling = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),)
    await world.change("terminal", api_grants=ceiling)
    assert (await answer_of(world, scope=wanted, audience=TIMESHEETS))["scope"] == "read:timesheets"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"audience": "https://nobody.test"}, "invalid_target"),
        ({"audience": TIMESHEETS, "resource": PAYROLL}, "invalid_target"),
        ({"scope": 'a"b'}, "invalid_scope"),
    ],
)
async def test_what_is_asked_for_wrongly_opens_no_grant(world: World, form: Any, error: str) -> None:
    is_json_error(await ask(world, **form), 400, error)
    assert not tables(world).grants


# ------------------------------------------------------------ consent


@pytest.fixture
async def asking(world: World) -> World:
    """Payroll asks everybody, first-party apps too."""
    api = await world.services.store.apis.get(PAYROLL)
    assert api is not None
    await world.services.store.apis.replace(replace(api, skip_consent=False), events=())
    await world.services.registry.refresh()
    return world


async def test_a_password_is_no_consent(asking: World) -> None:
    refused = await ask(asking, scope="openid read:payroll", audience=PAYROLL)
    description = is_json_error(refused, 400, "invalid_scope")["error_description"]
    assert "browser" in description
    assert not tables(asking).grants
    # Where nobody has to be asked, nobody was.
    await answer_of(asking, scope="openid")
    await answer_of(asking, scope="read:timesheets", audience=TIMESHEETS)


async def test_what_was_allowed_in_a_browser_once_is_given(asking: World) -> None:
    asked = {"client_id": "terminal", "scope": "openid read:payroll", "audience": PAYROLL}
    visitor = Visitor(asking)
    await visitor.authorize(**asked)
    await visitor.sign_in()
    await visitor.submit("consent-allow")
    assert visitor.answer()["code"]
    answer = await answer_of(asking, scope="openid read:payroll", audience=PAYROLL)
    assert answer["scope"] == "openid read:payroll"
    wider = await ask(asking, scope="openid profile read:payroll", audience=PAYROLL)
    is_json_error(wider, 400, "invalid_scope")
    await asking.services.store.consents.revoke("ik|erin", "terminal", events=())  # type: ignore[arg-type]
    is_json_error(await ask(asking, scope="openid read:payroll", audience=PAYROLL), 400, "invalid_scope")


# ------------------------------------------------------------ the surroundings


@pytest.mark.parametrize("is_on", [True, False])
async def test_discovery_lists_them_only_when_they_are_on(is_on: bool) -> None:
    world = await a_password_world(is_on=is_on)
    document = (await world.http().get("/.well-known/openid-configuration")).json()
    assert ({PLAIN, REALM} <= set(document["grant_types_supported"])) == is_on


async def test_a_success_costs_two_reads_and_three_transitions(world: World) -> None:
    await ask(world)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    before = counters.reads, counters.transitions
    await ask(world)
    # Read: the person with the password, their consents. Written: the count, its end, the grant.
    assert (counters.reads - before[0], counters.transitions - before[1]) == (2, 3)


async def test_what_happened_is_told_with_its_grant(world: World) -> None:
    await answer_of(world, scope="openid")
    [event] = world.heard.events
    assert event.type == "grant.opened" and event.user_id == "ik|erin" and event.client_id == "terminal"
    await ask(world, "erin", "wrong")
    assert world.heard.types()[1:] == ["sign_in.failed", "token.refused"]


async def test_a_full_queue_of_passwords_is_said_to_browsers_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(hash: str | None, password: str) -> bool:  # noqa: A002
        raise Busy

    monkeypatch.setattr(world.passwords, "verify", busy)
    answer = await ask(world, client_id="till", headers={"origin": SPA_ORIGIN})
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.headers["access-control-allow-origin"] == SPA_ORIGIN


async def test_a_store_that_is_away_is_no_wrong_password(world: World) -> None:
    await ask(world)
    store: Any = world.services.store
    store.is_away = True
    answer = await ask(world)
    assert answer.status_code == 503 and answer.json()["error"] == "temporarily_unavailable"
    with pytest.raises(StoreUnavailable):
        await store.probe()


async def test_a_person_who_changes_meanwhile_is_looked_at_again(world: World) -> None:
    store: Any = world.services.store
    grants, opened = store.grants, []

    class Overtaken:
        """Another password is set between the check and the grant, once."""

        async def open(self, grant: Any, **rest: Any) -> Any:
            opened.append(grant)
            if len(opened) == 1:
                await world.change_user("erin", epoch=2)
            return await grants.open(grant, **rest)

        def __getattr__(self, name: str) -> Any:
            return getattr(grants, name)

    store.grants = Overtaken()
    answer = await answer_of(world, scope="openid")
    assert len(opened) == 2 and len(tables(world).grants) == 1
    assert (await userinfo(world, answer["access_token"])).status_code == 200


async def test_guesses_have_the_configured_budget() -> None:
    world = await a_password_world(sign_in=SignInLimits(attempts_per_address_and_account=2))
    for _ in range(5):
        await ask(world, "erin", "wrong")
    assert len(world.passwords.verified) == 2
