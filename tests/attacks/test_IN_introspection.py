"""Looking into tokens: only by those they are for, nothing but the truth, and the same silence about all else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from itertools import combinations
from typing import Any

import pytest

from innkeeper.jose import base64url
from innkeeper.jose.jwt import Signer
from innkeeper.oauth.errors import InvalidRequest
from innkeeper.server.flows import introspect as flow
from innkeeper.server.model.identifiers import ClientId, Subject
from tests.attacks.oracles import is_json_error, is_sound, keeps_secrets, no_row
from tests.attacks.test_IN_userinfo import altered
from tests.attacks.token_requests import tables, tokens, userinfo
from tests.flows.test_token import a_request
from tests.introspecting import (
    FORMS,
    GRANTS,
    GUARD,
    INACTIVE,
    OTHER_GUARD,
    Got,
    a_guarded_world,
    by_code,
    by_itself,
    introspect,
    is_live,
    set_api,
    told,
)
from tests.refreshing import refresh, refreshed, revoke, signed_in
from tests.visitor import Visitor
from tests.world import (
    PAYROLL,
    SECRET,
    SPA_ORIGIN,
    TIMESHEETS,
    World,
    a_world,
    basic,
    code_form,
)

pytestmark = pytest.mark.anyio
EVERY_FORM = pytest.mark.parametrize("form", FORMS)
EVERY_GRANT = pytest.mark.parametrize(("holder", "got"), GRANTS.values(), ids=GRANTS)
OF_PEOPLE = pytest.mark.parametrize(
    ("holder", "got"),
    [given for name, given in GRANTS.items() if name != "client_credentials"],
    ids=[name for name in GRANTS if name != "client_credentials"],
)


@pytest.fixture
async def world() -> World:
    return await a_guarded_world()


# ------------------------------------------------------------ IN-01: who may ask at all


async def test_IN_01_nobody_asks_without_proving_who_they_are(world: World) -> None:
    token = await by_code(world)
    asked: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({}, {}),
        ({"client_id": GUARD}, {}),
        ({"client_id": GUARD, "client_secret": "wrong"}, {}),
        ({}, basic(GUARD, "wrong")),
        ({}, basic("nobody")),
        ({}, basic("disabled")),
        ({}, {"authorization": f"Bearer {token}"}),
        ({"client_id": GUARD}, {"authorization": f"Bearer {token}"}),
    )
    for form, headers in asked:
        with no_row(world):
            answer = await world.http().post(
                "/oauth/introspect", data={"token": token} | form, headers=headers
            )
        is_json_error(answer, 401, "invalid_client")
    keeps_secrets(world, token)


@pytest.mark.parametrize("client_id", ["spa", "native"])
async def test_IN_01_a_public_app_may_not_ask_even_about_its_own(world: World, client_id: str) -> None:
    await world.change(client_id, resource_server_of=(TIMESHEETS,))
    token = (await signed_in(world, "spa"))["access_token"]
    form = {"token": token, "client_id": client_id}
    answer = await world.http().post("/oauth/introspect", data=form)
    is_json_error(answer, 401, "invalid_client")


async def test_IN_01_a_secret_from_a_browser_is_refused_and_no_origin_reads_the_answer(world: World) -> None:
    await world.change(GUARD, allowed_origins=(SPA_ORIGIN,))
    headers = basic(GUARD) | {"origin": SPA_ORIGIN}
    answer = await world.http().post("/oauth/introspect", data={"token": "x"}, headers=headers)
    is_json_error(answer, 400, "invalid_request")
    assert "access-control-allow-origin" not in answer.headers
    preflight = {"origin": SPA_ORIGIN, "access-control-request-method": "POST"}
    answer = await world.http().options("/oauth/introspect", headers=preflight)
    is_sound(answer)
    assert "access-control-allow-origin" not in answer.headers


async def test_a_question_is_a_post_with_one_token(world: World) -> None:
    token = await by_code(world)
    assert (await world.http().get("/oauth/introspect", headers=basic(GUARD))).status_code == 405
    http, form = world.http(), {"content-type": "application/x-www-form-urlencoded"}
    for body in ("", "token=", "token_type_hint=access_token"):
        answer = await http.post("/oauth/introspect", content=body, headers=basic(GUARD) | form)
        is_json_error(answer, 400, "invalid_request")
    for body in (f"token={token}&token=x", f"token={token}&token_type_hint=a&token_type_hint=b"):
        answer = await http.post("/oauth/introspect", content=body, headers=basic(GUARD) | form)
        is_json_error(answer, 400, "invalid_request")
    answer = await http.post("/oauth/introspect", params={"token": token}, headers=basic(GUARD))
    assert answer.status_code == 400
    answer = await http.post("/oauth/introspect", json={"token": token}, headers=basic(GUARD))
    assert answer.json()["active"] is True


# ------------------------------------------------------------ IN-02: whose tokens


@EVERY_FORM
@EVERY_GRANT
async def test_IN_02_only_the_tokens_api_and_its_holder_are_told(
    world: World, form: str, holder: str, got: Got
) -> None:
    await set_api(world, **FORMS[form])
    token = await got(world)
    for caller in (OTHER_GUARD, "other", "paycheck"):
        assert await told(world, token, caller) == INACTIVE, caller
    for caller in (GUARD, holder):
        assert (await told(world, token, caller))["active"] is True, caller
    keeps_secrets(world, token)


@EVERY_FORM
async def test_IN_02_a_guard_that_is_taken_its_api_is_told_nothing_more(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    token = await by_code(world)
    await world.change(GUARD, resource_server_of=(PAYROLL,))
    assert await told(world, token) == INACTIVE


async def test_IN_02_a_token_for_userinfo_is_its_holders_alone(world: World) -> None:
    token = (await tokens(world))["access_token"]
    await world.change(GUARD, resource_server_of=(TIMESHEETS, PAYROLL))
    assert await told(world, token) == INACTIVE
    body = await told(world, token, "web")
    assert body["aud"] == f"{world.issuer}/userinfo"


async def test_IN_02_a_refresh_token_is_told_to_its_owner_alone(world: World) -> None:
    token = (await signed_in(world))["refresh_token"]
    for caller in (GUARD, OTHER_GUARD, "other"):
        assert await told(world, token, caller) == INACTIVE
    body = await told(world, token, "web")
    assert body["active"] is True
    assert not body.keys() & {"token_type", "aud", "username", "permissions"}


async def test_IN_02_codes_cookies_and_id_tokens_are_no_tokens_here(world: World) -> None:
    visitor = Visitor(world)
    code = await visitor.code("erin")
    session = next(value for value in visitor.http.cookies.values() if value.startswith("ik_se_"))
    id_token = (await signed_in(world))["id_token"]
    for text in (
        code,
        session,
        id_token,
        "ik_at_" + code[6:],
        "ik_rt_" + code[6:],
        "x",
        "...",
        "a.b.c",
        "ik_at_",
    ):
        for caller in ("web", GUARD):
            with no_row(world):
                assert await told(world, text, caller) == INACTIVE


# ------------------------------------------------------------ what is told


@EVERY_FORM
async def test_every_form_of_a_persons_token_tells_the_same(world: World, form: str) -> None:
    await set_api(world, **FORMS[form], permissions_claim=True)
    answered = await signed_in(world)
    body = await told(world, answered["access_token"])
    now = int(world.clock.now().timestamp())
    same = {
        "active": True,
        "iss": world.issuer,
        "sub": "ik|erin",
        "aud": [TIMESHEETS, f"{world.issuer}/userinfo"],
        "client_id": "web",
        "username": "erin",
        "token_type": "Bearer",
        "scope": answered["scope"],
        "iat": now,
        "exp": now + answered["expires_in"],
        "permissions": ["create:timesheets", "delete:timesheets", "read:timesheets"],
    }
    body["permissions"].sort()
    extra = {name: value for name, value in body.items() if name not in same}
    assert body == same | extra
    assert (
        extra.keys()
        == {
            "jwt": {"jti", "auth_time", "acr"},
            "opaque": {"jti", "auth_time", "acr"},
            "auth0": {"jti", "azp"},
        }[form]
    )


@EVERY_FORM
async def test_every_form_of_a_machines_token_tells_the_same(world: World, form: str) -> None:
    await set_api(world, **FORMS[form], permissions_claim=True)
    body = await told(world, await by_itself(world))
    assert body["sub"] == ("cron@clients" if form == "auth0" else "cron")
    assert (body["client_id"], body["aud"]) == ("cron", TIMESHEETS)
    assert sorted(body["permissions"]) == sorted(body["scope"].split()) == ["batch:upload", "read:timesheets"]
    assert not body.keys() & {"username", "auth_time", "acr"}


async def test_a_name_is_told_with_the_scope_that_gives_it(world: World) -> None:
    answered = await signed_in(world, scope="openid read:timesheets offline_access")
    assert "username" not in await told(world, answered["access_token"])


async def test_a_name_of_an_opaque_token_is_no_secret(world: World) -> None:
    await set_api(world, token_format="opaque")
    for token in (await by_code(world), await by_itself(world)):
        jti = (await told(world, token))["jti"]
        for text in (jti, f"ik_at_{jti}", f"ik_at_{jti.partition('.')[2]}"):
            assert await told(world, text) == INACTIVE


@EVERY_FORM
@EVERY_GRANT
async def test_no_two_tokens_have_one_name(world: World, form: str, holder: str, got: Got) -> None:
    await set_api(world, **FORMS[form])
    names = {(await told(world, await got(world)))["jti"] for _ in range(5)}
    assert len(names) == 5


# ------------------------------------------------------------ IN-04: every level that can end a token


async def revoke_token(world: World, token: str, holder: str) -> None:
    assert (await revoke(world, token, holder)).status_code == 200


async def revoke_grant(world: World, token: str, holder: str) -> None:
    for grant_id in tables(world).grants:
        await world.services.store.grants.revoke(grant_id, now=world.clock.now(), events=())


async def give_refresh_token_back(world: World, token: str, holder: str) -> None:
    [family] = tables(world).refresh_families.values()
    grants = world.services.store.grants
    await grants.revoke(family.grant_id, now=world.clock.now(), events=())


async def end_consent(world: World, token: str, holder: str) -> None:
    await world.services.store.consents.revoke(Subject("ik|erin"), ClientId(holder), events=())


async def end_person(world: World, token: str, holder: str) -> None:
    user = await world.services.store.users.get(Subject("ik|erin"))
    assert user is not None
    await world.change_user("erin", epoch=user.epoch + 1)


async def disable_person(world: World, token: str, holder: str) -> None:
    await world.change_user("erin", is_enabled=False)


async def delete_person(world: World, token: str, holder: str) -> None:
    await world.services.store.users.delete(Subject("ik|erin"), events=())


async def end_client(world: World, token: str, holder: str) -> None:
    client = await world.services.store.clients.get(ClientId(holder))
    assert client is not None
    await world.change(holder, epoch=client.epoch + 1)


async def disable_client(world: World, token: str, holder: str) -> None:
    await world.change(holder, is_enabled=False)


async def delete_client(world: World, token: str, holder: str) -> None:
    await world.services.store.clients.delete(ClientId(holder), events=())


async def not_before(world: World, token: str, holder: str) -> None:
    world.clock.advance(seconds=1)
    await world.change(holder, tokens_not_before=world.clock.now())


async def delete_api(world: World, token: str, holder: str) -> None:
    await world.services.store.apis.delete(TIMESHEETS, events=())
    await world.services.registry.refresh()


async def expire(world: World, token: str, holder: str) -> None:
    world.clock.advance(seconds=900)


Level = Callable[[World, str, str], Awaitable[None]]
OF_EVERY_TOKEN: tuple[Level, ...] = (
    revoke_token,
    end_client,
    disable_client,
    delete_client,
    delete_api,
    expire,
)
OF_A_PERSON: tuple[Level, ...] = (revoke_grant, end_consent, end_person, disable_person, delete_person)
OF_A_MACHINE: tuple[Level, ...] = (not_before,)


@EVERY_FORM
@OF_PEOPLE
@pytest.mark.parametrize("level", OF_EVERY_TOKEN + OF_A_PERSON, ids=lambda level: level.__name__)
async def test_IN_04_whatever_ends_a_persons_token_is_told(
    world: World, form: str, holder: str, got: Got, level: Level
) -> None:
    await set_api(world, **FORMS[form])
    token = await got(world)
    assert await is_live(world, token)
    await level(world, token, holder)
    assert not await is_live(world, token)
    assert (await userinfo(world, token)).status_code == 401


@EVERY_FORM
@pytest.mark.parametrize("level", OF_EVERY_TOKEN + OF_A_MACHINE, ids=lambda level: level.__name__)
async def test_IN_04_whatever_ends_a_machines_token_is_told(world: World, form: str, level: Level) -> None:
    await set_api(world, **FORMS[form])
    token = await by_itself(world)
    assert await is_live(world, token)
    await level(world, token, "cron")
    assert not await is_live(world, token)


PAIRS = list(
    combinations((revoke_token, revoke_grant, end_consent, end_person, end_client, disable_client), 2)
)


@pytest.mark.parametrize("form", ["jwt", "opaque"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(level.__name__ for level in pair))
async def test_IN_04_two_levels_never_undo_each_other(
    world: World, form: str, pair: tuple[Level, Level]
) -> None:
    await set_api(world, **FORMS[form])
    token = await by_code(world)
    for level in pair:
        await level(world, token, "web")
        assert not await is_live(world, token)


@EVERY_FORM
async def test_IN_04_a_session_takes_the_tokens_along_that_are_bound_to_it(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    bound = (await signed_in(world, scope="openid read:timesheets"))["access_token"]
    of_mona = (await signed_in(world, username="mona", scope="openid read:timesheets"))["access_token"]
    lasting = (await signed_in(world))["access_token"]
    for session in [
        row.session for row in tables(world).sessions.values() if row.session.user_id == "ik|erin"
    ]:
        await world.services.store.sessions.end(session.key, events=())
    assert not await is_live(world, bound)
    assert await is_live(world, of_mona)
    assert await is_live(world, lasting)


@EVERY_FORM
async def test_IN_04_an_app_that_is_enabled_again_does_not_wake_its_tokens(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    held = {"web": await by_code(world), "cron": await by_itself(world)}
    for client_id, token in held.items():
        client = await world.services.store.clients.get(ClientId(client_id))
        assert client is not None
        await world.change(client_id, is_enabled=False, epoch=client.epoch + 1)
        await world.change(client_id, is_enabled=True)
        assert not await is_live(world, token)
    assert await is_live(world, await by_code(world))
    assert await is_live(world, await by_itself(world))


@EVERY_FORM
async def test_IN_04_a_new_app_under_an_old_name_inherits_no_token(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    cron = await world.services.store.clients.get(ClientId("cron"))
    assert cron is not None
    token = await by_itself(world)
    await world.services.store.clients.delete(cron.client_id, events=())
    await world.services.store.clients.create(cron, events=())
    await world.services.registry.refresh()
    assert not await is_live(world, token)
    assert await is_live(world, await by_itself(world))


@EVERY_FORM
@EVERY_GRANT
async def test_IN_04_nobody_elses_token_ends(world: World, form: str, holder: str, got: Got) -> None:
    await set_api(world, **FORMS[form])
    token = await got(world)
    for other in ("other", "poster", "spa"):
        await disable_client(world, token, other)
    await world.change_user("mona", is_enabled=False)
    assert await is_live(world, token)


@EVERY_FORM
async def test_IN_04_a_replayed_code_ends_what_the_first_one_brought(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    code = await Visitor(world).code(audience=TIMESHEETS, scope="read:timesheets")
    first = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    token = first.json()["access_token"]
    assert await is_live(world, token)
    await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert not await is_live(world, token)


async def test_IN_04_a_refresh_token_is_active_while_it_would_be_taken(world: World) -> None:
    first = (await signed_in(world))["refresh_token"]
    assert await is_live(world, first, "web")
    second = (await refreshed(world, first))["refresh_token"]
    assert not await is_live(world, first, "web")
    assert await is_live(world, second, "web")
    world.clock.advance(days=15)
    assert not await is_live(world, second, "web")
    assert (await refresh(world, second)).status_code == 400


@pytest.mark.parametrize(
    "level",
    [give_refresh_token_back, *OF_A_PERSON, end_client],
    ids=lambda level: level.__name__,
)
async def test_IN_04_whatever_ends_a_refresh_token_is_told(world: World, level: Level) -> None:
    token = (await signed_in(world))["refresh_token"]
    await level(world, token, "web")
    assert not await is_live(world, token, "web")


async def test_IN_04_a_refresh_token_without_offline_access_is_dead(world: World) -> None:
    token = (await signed_in(world))["refresh_token"]
    await set_api(world, allow_offline_access=False)
    assert not await is_live(world, token, "web")


async def test_IN_04_its_end_is_told_truly(world: World) -> None:
    token = (await signed_in(world))["refresh_token"]
    exp = (await told(world, token, "web"))["exp"]
    world.clock.advance(seconds=exp - int(world.clock.now().timestamp()) - 1)
    assert await is_live(world, token, "web")
    world.clock.advance(seconds=1)
    assert not await is_live(world, token, "web")


# ------------------------------------------------------------ IN-05, IN-07: giving back, for every form and grant


@EVERY_FORM
@EVERY_GRANT
async def test_IN_05_another_app_gives_nothing_back(world: World, form: str, holder: str, got: Got) -> None:
    await set_api(world, **FORMS[form])
    token = await got(world)
    for caller in ("other", GUARD, OTHER_GUARD):
        with no_row(world):
            assert (await revoke(world, token, caller)).status_code == 200
    assert await is_live(world, token)


@EVERY_FORM
@EVERY_GRANT
async def test_IN_07_one_access_token_is_given_back_alone(
    world: World, form: str, holder: str, got: Got
) -> None:
    await set_api(world, **FORMS[form])
    token, other = await got(world), await got(world)
    assert (await revoke(world, token, holder)).status_code == 200
    assert not await is_live(world, token)
    assert await is_live(world, other)
    assert world.heard.types().count("access_token.denied") == 1


# ------------------------------------------------------------ IN-08, IN-11


@EVERY_FORM
async def test_IN_08_a_store_that_is_away_says_neither_yes_nor_no(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    token = await by_code(world)
    store: Any = world.services.store
    store.is_away = True
    answer = await introspect(world, token)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "active" not in answer.text
    store.is_away = False
    assert await is_live(world, token)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
@EVERY_FORM
async def test_IN_11_a_wrong_hint_hides_nothing(world: World, form: str, hint: str) -> None:
    await set_api(world, **FORMS[form])
    answered = await signed_in(world)
    for kind in ("access_token", "refresh_token"):
        body = await told(world, answered[kind], "web", token_type_hint=hint)
        assert body["active"] is True


# ------------------------------------------------------------ IN-16 and JW: bytes and signatures


@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_IN_16_no_altered_token_is_active(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    token = await by_itself(world)
    with no_row(world):
        for text in altered(token):
            with contextlib.suppress(InvalidRequest):  # characters that no parameter may hold
                asked = a_request({"token": text}, basic(GUARD)["authorization"])
                assert await flow.introspect(asked, world.services) == INACTIVE, text
    assert await is_live(world, token)


def resigned(world: World, token: str, *, typ: str, **claims: Any) -> str:
    """Signed by our own key: what only a confused part of ourselves could make."""
    body: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1])) | claims
    kept = {name: value for name, value in body.items() if value is not None}
    signer = world.services.keys.signer("ES256", typ, world.clock.now())
    assert isinstance(signer, Signer)
    return signer.sign(kept)


async def test_JW_10_no_other_jwt_of_ours_passes_for_an_access_token(world: World) -> None:
    await set_api(world, token_profile="auth0")
    token = await by_code(world)
    assert await is_live(world, resigned(world, token, typ="JWT"))
    for typ in ("logout+jwt", "token-introspection+jwt", "secevent+jwt", "at+jwt2", "at", ""):
        assert not await is_live(world, resigned(world, token, typ=typ)), typ


@pytest.mark.parametrize(
    "claims",
    [
        {"azp": None},
        {"azp": None, "client_id": "web"},
        {"jti": None},
        {"scope": None},
        {"aud": None},
        {"aud": "web"},
        {"aud": ["web", TIMESHEETS]},
        {"amr": ["pwd"]},
        {"sid": "s"},
        {"nonce": "n"},
        {"at_hash": "h"},
        {"c_hash": "h"},
    ],
    ids=str,
)
async def test_JW_10_a_plain_jwt_is_an_access_token_only_with_everything_that_makes_one(
    world: World, claims: dict[str, Any]
) -> None:
    await set_api(world, token_profile="auth0")
    token = resigned(world, await by_code(world), typ="JWT", **claims)
    for caller in (GUARD, "web"):
        assert await told(world, token, caller) == INACTIVE
    assert (await userinfo(world, token)).status_code == 401
    with no_row(world):
        assert (await revoke(world, token, "web")).status_code == 200


@pytest.mark.parametrize("profile", ["rfc9068", "auth0"])
async def test_JW_10_an_id_token_is_no_access_token_anywhere(world: World, profile: str) -> None:
    await set_api(world, token_profile=profile)
    await world.change("web", id_token_signed_response_alg="ES256", resource_server_of=(TIMESHEETS,))
    for id_token in (
        (await signed_in(world))["id_token"],
        (await refreshed(world, (await signed_in(world))["refresh_token"]))["id_token"],
    ):
        assert await told(world, id_token, "web") == INACTIVE
        assert (await userinfo(world, id_token)).status_code == 401
        with no_row(world):
            assert (await revoke(world, id_token, "web")).status_code == 200


@EVERY_FORM
async def test_JW_12_tokens_of_another_deployment_are_unknown_here(world: World, form: str) -> None:
    other = await a_guarded_world(issuer="https://id2.example.test")
    await set_api(other, **FORMS[form])
    await set_api(world, **FORMS[form])
    for got in (by_code, by_itself):
        assert await told(world, await got(other)) == INACTIVE


async def test_JW_01_no_token_without_our_signature(world: World) -> None:
    token = await by_code(world)
    header, payload, signature = token.split(".")
    none = base64url.encode(b'{"alg":"none","typ":"at+jwt"}')
    plain = base64url.encode(b'{"alg":"none","typ":"JWT"}')
    for text in (f"{none}.{payload}.", f"{plain}.{payload}.", f"{header}.{payload}.{'A' * len(signature)}"):
        assert await told(world, text) == INACTIVE
    wider = base64url.encode(json.dumps(json.loads(base64url.decode(payload)) | {"sub": "ik|mona"}).encode())
    assert await told(world, f"{header}.{wider}.{signature}") == INACTIVE


async def test_CA_13_a_secret_of_another_client_opens_nothing(world: World) -> None:
    await world.change("other", secrets=())
    token = await by_code(world)
    form = {"token": token, "client_id": "other", "client_secret": SECRET}
    is_json_error(await world.http().post("/oauth/introspect", data=form), 401, "invalid_client")


async def test_a_plain_world_has_no_guard_and_tells_holders_only() -> None:
    world = await a_world()
    token = (await tokens(world, audience=TIMESHEETS, scope="read:timesheets"))["access_token"]
    assert (await told(world, token, "web"))["active"] is True
    assert await told(world, token, "cron") == INACTIVE
