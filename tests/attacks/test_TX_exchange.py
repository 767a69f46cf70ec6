"""Token exchange (RFC 8693): what it gives, what it refuses, and that the new token ends with everything below it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from innkeeper.jose import base64url, strict_json
from innkeeper.server.hooks import Denied, Hooks, PreToken
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, Subject
from innkeeper.server.model.user import User
from innkeeper.server.protocol.grants.token_exchange import ACCESS_TOKEN, JWT, TokenExchange
from innkeeper.server.storage.outcomes import Done
from tests.attacks.oracles import is_json_error, no_row
from tests.attacks.token_requests import FOR_API, tables, tokens
from tests.world import PAYROLL, TIMESHEETS, World, a_client, a_world, basic

pytestmark = pytest.mark.anyio
NAME = TokenExchange.name
FORMATS = pytest.mark.parametrize("token_format", ["jwt", "opaque"])
TO_PAYROLL = (ApiGrant(api=PAYROLL, scope=("read:payroll",)),)


def a_service(client_id: str, **changes: Any) -> Any:
    known: dict[str, Any] = {
        "type": "m2m",
        "redirect_uris": (),
        "response_types": (),
        "grant_types": (NAME, "client_credentials"),
        "resource_server_of": (TIMESHEETS,),
        "api_grants": TO_PAYROLL,
    }
    return a_client(client_id, **(known | changes))


@pytest.fixture
async def world() -> World:
    to_both = (*TO_PAYROLL, ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "create:timesheets")))
    return await a_world(
        extra_clients=(
            a_service("timesheets-api", api_grants=to_both),
            a_service("payroll-api", resource_server_of=(PAYROLL,), api_grants=to_both),
            a_service("stranger", resource_server_of=()),
            a_service("theirs", is_first_party=False, api_grants=to_both),
            a_service("without-grant", api_grants=()),
        )
    )


async def exchange(
    world: World, subject: str, client_id: str = "timesheets-api", **changes: str | None
) -> httpx2.Response:
    form: dict[str, str | None] = {
        "grant_type": NAME,
        "subject_token": subject,
        "subject_token_type": ACCESS_TOKEN,
        "audience": PAYROLL,
        **changes,
    }
    sent = {name: value for name, value in form.items() if value is not None}
    return await world.http().post("/oauth/token", data=sent, headers=basic(client_id))


async def introspected(world: World, token: str, client_id: str = "payroll-api") -> dict[str, Any]:
    answer = await world.http().post("/oauth/introspect", data={"token": token}, headers=basic(client_id))
    told: dict[str, Any] = answer.json()
    return told


def payload(token: str) -> dict[str, Any]:
    return dict(strict_json.parse_object(base64url.decode(token.split(".")[1])))


async def set_format(world: World, api: ApiIdentifier, token_format: str) -> None:
    from msgspec.structs import replace

    known = await world.services.store.apis.get(api)
    assert known is not None
    await world.services.store.apis.replace(replace(known, token_format=token_format), events=())
    await world.services.registry.refresh()


@FORMATS
async def test_an_api_gets_a_token_for_the_next_one(world: World, token_format: str) -> None:
    await set_format(world, PAYROLL, token_format)
    subject = (await tokens(world, **FOR_API))["access_token"]
    answer = await exchange(world, subject)
    answered = answer.json()
    assert answer.status_code == 200, answer.text
    assert answered["issued_token_type"] == ACCESS_TOKEN and answered["token_type"] == "Bearer"
    assert answered["scope"] == "read:payroll"
    assert "refresh_token" not in answered and "id_token" not in answered
    told = await introspected(world, answered["access_token"])
    assert told["active"] is True and told["sub"] == "ik|erin" and told["aud"] == PAYROLL
    assert told["client_id"] == "timesheets-api"
    assert told["act"] == {"sub": "timesheets-api", "client_id": "timesheets-api"}
    if token_format == "jwt":
        assert payload(answered["access_token"])["act"] == told["act"]


async def test_a_jwt_costs_no_row(world: World) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    with no_row(world):
        assert (await exchange(world, subject, requested_token_type=JWT)).status_code == 200


async def test_the_chain_of_actors_grows_and_has_an_end(world: World) -> None:
    token = (await tokens(world, **FOR_API))["access_token"]
    callers = ["timesheets-api", "payroll-api"] * 2
    for number, caller in enumerate(callers, 1):
        target = PAYROLL if caller == "timesheets-api" else TIMESHEETS
        answer = await exchange(world, token, caller, audience=target)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        act, depth = payload(token)["act"], 0
        assert act["sub"] == caller
        while act is not None:
            act, depth = act.get("act"), depth + 1
        assert depth == number
    with no_row(world):
        is_json_error(await exchange(world, token, audience=PAYROLL), 400, "invalid_request")


async def test_it_never_outlives_the_subject_token(world: World) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    world.clock.advance(seconds=890)
    answered = (await exchange(world, subject)).json()
    assert answered["expires_in"] == 10
    assert payload(answered["access_token"])["exp"] == payload(subject)["exp"]


async def test_on_the_same_api_the_scope_only_shrinks(world: World) -> None:
    subject = (await tokens(world, audience=TIMESHEETS, scope="openid read:timesheets"))["access_token"]
    answered = (await exchange(world, subject, audience=TIMESHEETS)).json()
    assert answered["scope"] == "read:timesheets"


async def test_the_actor_token_is_the_callers_own(world: World) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    machine = {"grant_type": "client_credentials", "audience": PAYROLL}
    own = (await world.http().post("/oauth/token", data=machine, headers=basic("timesheets-api"))).json()
    actor = {"actor_token": own["access_token"], "actor_token_type": ACCESS_TOKEN}
    answered = await exchange(world, subject, **actor)
    assert payload(answered.json()["access_token"])["act"]["sub"] == "timesheets-api"
    theirs = (await world.http().post("/oauth/token", data=machine, headers=basic("stranger"))).json()
    for wrong in (theirs["access_token"], "nonsense"):
        with no_row(world):
            refused = await exchange(world, subject, **(actor | {"actor_token": wrong}))
        is_json_error(refused, 400, "invalid_request")
    is_json_error(await exchange(world, subject, actor_token=own["access_token"]), 400, "invalid_request")


# ------------------------------------------------------------ TX-01: tokens that are good for nothing


async def test_TX_01_what_is_no_living_access_token_is_refused(world: World) -> None:
    answered = await tokens(world, audience=TIMESHEETS, scope="openid offline_access read:timesheets")
    machine = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    cron = (await world.http().post("/oauth/token", data=machine, headers=basic("cron"))).json()
    elsewhere = await a_world(issuer="https://other.example.test")
    foreign = (await tokens(elsewhere, **FOR_API))["access_token"]
    wrong = {
        "nonsense": "nonsense",
        "an ID token": answered["id_token"],
        "a machine's": cron["access_token"],
        "another deployment's": foreign,
        "cut": answered["access_token"][:-2],
    }
    for name, token in wrong.items():
        with no_row(world):
            is_json_error(await exchange(world, token), 400, "invalid_request")
        assert name
    world.clock.advance(seconds=901)
    is_json_error(await exchange(world, answered["access_token"]), 400, "invalid_request")


@pytest.mark.parametrize("client_id", ["stranger", "payroll-api", "theirs"])
async def test_TX_01_a_token_that_was_not_shown_to_this_app_is_refused(world: World, client_id: str) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    with no_row(world):
        is_json_error(await exchange(world, subject, client_id), 400, "invalid_request")


async def test_TX_01_every_refusal_of_a_token_reads_the_same(world: World) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    texts = {(await exchange(world, text)).text for text in ("nonsense", subject[:-2])}
    texts.add((await exchange(world, subject, "stranger")).text)
    assert len(texts) == 1


# ------------------------------------------------------------ TX-02: further than was granted


@pytest.mark.parametrize(
    ("client_id", "changes", "error"),
    [
        ("without-grant", {}, "invalid_target"),
        ("timesheets-api", {"audience": "https://nowhere.example.test"}, "invalid_target"),
        ("timesheets-api", {"audience": None}, "invalid_target"),
        ("timesheets-api", {"resource": TIMESHEETS}, "invalid_target"),
        ("timesheets-api", {"scope": "read:payroll write:payroll"}, "invalid_scope"),
        ("timesheets-api", {"scope": "openid"}, "invalid_scope"),
        ("timesheets-api", {"scope": "offline_access"}, "invalid_scope"),
        ("timesheets-api", {"audience": TIMESHEETS, "scope": "approve:timesheets"}, "invalid_scope"),
        (
            "timesheets-api",
            {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
            "invalid_request",
        ),
        ("timesheets-api", {"subject_token_type": None}, "invalid_request"),
        ("timesheets-api", {"requested_token_type": "urn:x"}, "invalid_request"),
        ("cron", {}, "unauthorized_client"),
    ],
)
async def test_TX_02_nothing_beyond_what_the_app_was_granted(
    world: World, client_id: str, changes: dict[str, str | None], error: str
) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    with no_row(world):
        is_json_error(await exchange(world, subject, client_id, **changes), 400, error)


async def test_TX_02_permissions_are_the_persons_own_of_today(world: World) -> None:
    subject = (await tokens(world, **FOR_API))["access_token"]
    answered = (
        await exchange(world, subject, audience=TIMESHEETS, scope="read:timesheets create:timesheets")
    ).json()
    assert answered["scope"] == "read:timesheets"  # create was not in the subject token
    await world.change_user("erin", roles=())
    answered = (await exchange(world, subject, audience=TIMESHEETS)).json()
    assert answered["scope"] == ""


async def test_TX_04_the_operators_rules_hold_for_an_exchange_as_for_a_sign_in() -> None:
    async def hook(request: PreToken) -> None:
        if request.api == PAYROLL and request.user is not None and "Employee" in request.user.roles:
            raise Denied("No payroll for employees.")

    world = await a_world(extra_clients=(a_service("timesheets-api"),), hooks=Hooks(pre_token=hook))
    subject = (await tokens(world, **FOR_API))["access_token"]
    with no_row(world):
        is_json_error(await exchange(world, subject), 400, "access_denied")
    await world.change_user("erin", roles=())
    assert (await exchange(world, subject)).status_code == 200


async def test_TX_02_an_api_that_asks_people_is_not_reached_behind_their_backs(world: World) -> None:
    from msgspec.structs import replace

    payroll = await world.services.store.apis.get(PAYROLL)
    assert payroll is not None
    await world.services.store.apis.replace(replace(payroll, skip_consent=False), events=())
    await world.services.registry.refresh()
    subject = (await tokens(world, **FOR_API))["access_token"]
    is_json_error(await exchange(world, subject), 400, "invalid_target")


# ------------------------------------------------------------ what ends it


async def revoke_the_grant(world: World, token: str) -> None:
    (grant_id,) = tables(world).grants
    outcome = await world.services.store.grants.revoke(GrantId(grant_id), now=world.clock.now(), events=())
    assert outcome == Done()


async def disable_the_holder(world: World, token: str) -> None:
    await world.change("timesheets-api", is_enabled=False)


async def end_what_the_holder_was_given(world: World, token: str) -> None:
    known = await world.services.store.clients.get(ClientId("timesheets-api"))
    assert known is not None
    await world.change("timesheets-api", epoch=known.epoch + 1)


async def disable_the_first_app(world: World, token: str) -> None:
    await world.change("web", is_enabled=False)


async def disable_the_person(world: World, token: str) -> None:
    found: User | None = await world.services.store.users.get(Subject("ik|erin"))
    assert found is not None
    await world.change_user("erin", is_enabled=False)


async def give_it_back(world: World, token: str) -> None:
    answer = await world.http().post("/oauth/revoke", data={"token": token}, headers=basic("timesheets-api"))
    assert answer.status_code == 200


@FORMATS
@pytest.mark.parametrize(
    "end",
    [
        revoke_the_grant,
        disable_the_holder,
        end_what_the_holder_was_given,
        disable_the_first_app,
        disable_the_person,
        give_it_back,
    ],
)
async def test_IN_04_an_exchanged_token_ends_with_whatever_it_stands_on(
    world: World, token_format: str, end: Callable[[World, str], Awaitable[None]]
) -> None:
    await set_format(world, PAYROLL, token_format)
    subject = (await tokens(world, **FOR_API))["access_token"]
    token = (await exchange(world, subject)).json()["access_token"]
    assert (await introspected(world, token))["active"] is True
    await end(world, token)
    assert await introspected(world, token) == {"active": False}
