"""AZ: what a request says about the person, the sign-in and single claims holds, or the answer is an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.protocol.acr import ACR_VALUES, ONE_FACTOR
from tests.attacks.authorizing import claims_of, refused, tokens
from tests.attacks.hints import BAD_HINTS, a_hint, bad_hints
from tests.attacks.oracles import is_redirect_error, is_sound, no_row, redirected, still_works
from tests.fronting import FRONT_CALLBACK, FRONT_CHANNEL, a_front_world, answered, delivered
from tests.fronting import asked as fronting
from tests.visitor import Visitor
from tests.world import World, a_client, a_world, authorize_parameters, basic, code_form

PAIR = a_client("pair", subject_type="pairwise")
KEEPS = a_client("keeps", grant_types=("authorization_code", "refresh_token"), refresh=RefreshPolicy())


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    made = await a_world(extra_clients=[KEEPS, PAIR])
    yield made
    await still_works(made)


def asking(place: str, **claims: Any) -> str:
    return json.dumps({place: claims})


# ------------------------------------------------------------ AZ-19 how somebody signed in


@pytest.mark.parametrize(
    "asked",
    [
        {"acr_values": "urn:example:loa:3"},
        {"acr_values": "mfa phr"},
        {"claims": asking("id_token", acr={"values": ["phr"]})},
        {"claims": asking("id_token", acr={"value": "phr", "essential": False})},
        {"claims": asking("id_token", acr={"essential": True})},
        {"claims": asking("id_token", acr={"essential": True, "values": ["phr", ONE_FACTOR]})},
        {"claims": asking("id_token", acr={"essential": True, "value": ONE_FACTOR}), "acr_values": "phr"},
    ],
)
async def test_AZ_19_no_token_claims_an_authentication_that_was_not_made(
    world: World, asked: dict[str, str]
) -> None:
    visitor = Visitor(world)
    await visitor.authorize(**asked)
    await visitor.sign_in()
    claimed = claims_of((await tokens(world, visitor))["id_token"])
    assert (claimed["acr"], claimed["amr"]) == (ONE_FACTOR, ["pwd"])


@pytest.mark.parametrize("prompt", [None, "none", "login", "select_account"])
@pytest.mark.parametrize("acr", [{"value": "phr"}, {"values": ["phr", "urn:example:loa:3"]}])
async def test_AZ_19_an_essential_acr_that_nobody_can_have_is_refused_before_anybody_signs_in(
    world: World, acr: dict[str, Any], prompt: str | None
) -> None:
    claims = asking("id_token", acr={"essential": True, **acr})
    await refused(world, "unmet_authentication_requirements", claims=claims, prompt=prompt)


async def test_AZ_19_discovery_names_exactly_what_can_be_stated(world: World) -> None:
    document = (await world.http().get("/.well-known/openid-configuration")).json()
    assert document["acr_values_supported"] == list(ACR_VALUES)
    for acr in document["acr_values_supported"]:
        visitor = Visitor(world)
        await visitor.code(claims=asking("id_token", acr={"essential": True, "value": acr}))
        assert claims_of((await tokens(world, visitor))["id_token"])["acr"] == acr


# ------------------------------------------------------------ AZ-20 claims that are too much, or not to be read


@pytest.mark.parametrize(
    "claims",
    [json.dumps({f"k{number}": None for number in range(10_000)}), '{"a":' * 1_500 + "1" + "}" * 1_500],
    ids=["ten thousand keys", "deep"],
)
async def test_AZ_20_claims_beyond_all_size_get_a_page(world: World, claims: str) -> None:
    http = world.http()
    with no_row(world):
        posted = await http.post("/authorize", data=authorize_parameters(claims=claims))
        is_sound(posted)
        assert posted.status_code in (400, 413) and "location" not in posted.headers
        if len(claims) < 20_000:
            is_sound(await http.get("/authorize", params=authorize_parameters(claims=claims)))


@pytest.mark.parametrize(
    "claims",
    [
        '{"a":' * 700 + "1" + "}" * 700,
        json.dumps({"userinfo": {f"k{number}": None for number in range(101)}}),
        json.dumps(
            {place: {f"k{number}": None for number in range(60)} for place in ("userinfo", "id_token")}
        ),
        '{"id_token":{"sub":{"value":"ik|mona"}},"id_token":{}}',
        '{"id_token":{"sub":null,"sub":{"value":"ik|mona"}}}',
        '{"userinfo":{"email":{"essential":true,"essential":false}}}',
        "{", "[]", "null", "x", '"email"', "1", "{}{}", "NaN", "\ufeff{}", '{"userinfo":1e400}',
        '{"userinfo":["email"]}', '{"userinfo":"email"}', '{"id_token":1}', '{"userinfo":{"email":true}}',
        '{"userinfo":{"email":[]}}', '{"userinfo":{"email":{"essential":"true"}}}',
        '{"id_token":{"sub":{"value":1}}}', '{"id_token":{"sub":{"value":null}}}',
        '{"id_token":{"sub":{"values":"ik|erin"}}}', '{"id_token":{"sub":{"value":""}}}',
        '{"id_token":{"sub":{"value":"ik|erin","values":["ik|mona"]}}}',
        '{"id_token":{"acr":{"essential":true,"values":[1]}}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("prompt", [None, "none"])
async def test_AZ_20_claims_that_have_no_one_meaning_are_refused(
    world: World, claims: str, prompt: str | None
) -> None:
    await refused(world, "invalid_request", claims=claims, prompt=prompt)


@pytest.mark.parametrize(
    "claims",
    [
        '{"__proto__":{"email":null},"userinfo":{"__proto__":null,"role":{"value":"admin"},"sub":null}}',
        '{"id_token":{"roles":{"essential":true},"email#de":null,"permissions":null,"iss":{"value":"x"}}}',
        '{"id_token":{"aud":{"value":"other"},"exp":{"value":"4102444800"},"auth_time":{"value":"1"}}}',
        '{"userinfo":null,"id_token":null}', '{"other":{"email":null}}', "{}",
    ],
)  # fmt: skip
async def test_AZ_22_claims_that_nobody_knows_have_no_effect(world: World, claims: str) -> None:
    visitor, plain = Visitor(world), Visitor(world)
    await visitor.code(claims=claims, scope="openid")
    await plain.code(scope="openid")
    changing = {"nonce", "at_hash", "sid", "exp", "iat", "auth_time"}
    told = [
        {
            k: v
            for k, v in claims_of((await tokens(world, one))["id_token"]).items()
            if k not in changing
        }
        for one in (visitor, plain)
    ]  # fmt: skip
    assert told[0] == told[1]


# ------------------------------------------------------------ claims by name


async def test_a_claim_that_is_asked_for_by_name_comes_alone_and_where_it_was_asked_for(world: World) -> None:
    visitor = Visitor(world)
    claims = json.dumps({"userinfo": {"email": {"essential": True}}, "id_token": {"given_name": None}})
    await visitor.code(claims=claims, scope="openid")
    answer = await tokens(world, visitor)
    claimed, told = claims_of(answer["id_token"]), await userinfo(world, answer["access_token"])
    assert answer["scope"] == "openid", "what was named is no scope that was granted"
    assert told == {"sub": "ik|erin", "email": "erin@example.test"}
    assert claimed["given_name"] == "Erin"
    assert not claimed.keys() & {"email", "email_verified", "name", "preferred_username"}


async def test_claims_are_identitys_and_nothing_without_openid(world: World) -> None:
    visitor = Visitor(world)
    claims = json.dumps({"userinfo": {"email": None}, "id_token": {"sub": {"value": "ik|mona"}}})
    await visitor.code(claims=claims, scope="read:timesheets", audience="https://api.example.test/timesheets")
    answer = await tokens(world, visitor)
    assert "id_token" not in answer and answer["scope"] == "read:timesheets"


async def test_claims_by_name_last_as_long_as_the_grant(world: World) -> None:
    visitor = Visitor(world)
    claims = json.dumps({"userinfo": {"email": None}, "id_token": {"email": None}})
    await visitor.authorize(client_id="keeps", claims=claims, scope="openid offline_access")
    await visitor.sign_in()
    form = {
        "grant_type": "authorization_code", "code": redirected(visitor.response)["code"],
        "redirect_uri": authorize_parameters()["redirect_uri"], "code_verifier": "v" * 64,
    }  # fmt: skip
    http, headers = world.http(), basic("keeps")
    first = (await http.post("/oauth/token", data=form, headers=headers)).json()
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await http.post("/oauth/token", data=again, headers=headers)).json()
    for answer in (first, second):
        assert claims_of(answer["id_token"])["email"] == "erin@example.test"
        assert (await userinfo(world, answer["access_token"]))["email"] == "erin@example.test"


async def userinfo(world: World, token: str) -> dict[str, Any]:
    answer = await world.http().get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# ------------------------------------------------------------ whom the app means (OIDC Core §3.1.2.1, §3.1.2.2)


@pytest.mark.parametrize("prompt", [None, "none", "consent"])
@pytest.mark.parametrize("name", BAD_HINTS)
async def test_JW_a_hint_that_is_not_to_be_believed_is_refused_and_not_ignored(
    world: World, name: str, prompt: str | None
) -> None:
    good = await a_hint(world, Visitor(world))
    await refused(world, "invalid_request", id_token_hint=bad_hints(world, good)[name], prompt=prompt)


async def meaning(world: World, how: str, username: str) -> dict[str, str]:
    """A request for this person and nobody else."""
    if how == "id_token_hint":
        return {"id_token_hint": await a_hint(world, Visitor(world), username)}
    return {"claims": asking(how, sub={"value": f"ik|{username}"})}


WAYS = ("id_token_hint", "id_token", "userinfo")


@pytest.mark.parametrize("how", WAYS)
async def test_R_SE7_a_silent_request_for_somebody_else_is_no_sign_in(world: World, how: str) -> None:
    visitor, meant = Visitor(world), await meaning(world, how, "mona")
    await visitor.code("erin")
    with no_row(world):
        response = await visitor.authorize(**meant, prompt="none", state="s")
    is_redirect_error(response, "login_required", state="s")


@pytest.mark.parametrize("how", WAYS)
async def test_R_SE7_a_silent_request_for_the_person_who_is_there_is_answered(world: World, how: str) -> None:
    visitor, meant = Visitor(world), await meaning(world, how, "erin")
    await visitor.code("erin")
    assert "code" in redirected(await visitor.authorize(**meant, prompt="none"))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("before", [None, "erin", "mona"])
async def test_R_SE7_nobody_else_can_sign_in_instead(world: World, how: str, before: str | None) -> None:
    """Whoever was there, whatever is typed: the app learns of mona or of nobody."""
    visitor, meant = Visitor(world), await meaning(world, how, "mona")
    if before is not None:
        await visitor.code(before)
    grants = len(world.services.store._tables.grants)  # type: ignore[attr-defined]
    await visitor.authorize(**meant, prompt="login" if before == "mona" else None, state="s")
    await visitor.sign_in("erin")
    is_redirect_error(visitor.response, "login_required", state="s")
    assert len(world.services.store._tables.grants) == grants  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", WAYS)
async def test_R_SE7_the_person_who_is_meant_signs_in_over_another(world: World, how: str) -> None:
    visitor, meant = Visitor(world), await meaning(world, how, "mona")
    await visitor.code("erin")
    await visitor.authorize(**meant)
    assert "login-submit" in visitor.page.ids
    await visitor.sign_in("mona")
    assert claims_of((await tokens(world, visitor))["id_token"])["sub"] == "ik|mona"


async def test_R_SE7_a_request_that_contradicts_itself_means_nobody(world: World) -> None:
    visitor = Visitor(world)
    meant = await meaning(world, "id_token_hint", "erin") | await meaning(world, "id_token", "mona")
    await visitor.code("erin")
    with no_row(world):
        response = await visitor.authorize(**meant, prompt="none", state="s")
    is_redirect_error(response, "login_required", state="s")


async def test_R_SE7_an_app_with_names_of_its_own_is_asked_by_those_alone(world: World) -> None:
    """`sub` for another app is not this app's to try; its own hint means what it says."""
    visitor = Visitor(world)
    await visitor.authorize(client_id="pair")
    await visitor.sign_in("erin")
    form = code_form(redirected(visitor.response)["code"])
    answer = await world.http().post("/oauth/token", data=form, headers=basic("pair"))
    text = answer.json()["id_token"]
    own = claims_of(text)["sub"]
    assert own != "ik|erin"
    for meant in ({"id_token_hint": text}, {"claims": asking("id_token", sub={"value": own})}):
        assert "code" in redirected(await visitor.authorize(client_id="pair", prompt="none", **meant))
    for subject in ("ik|erin", "ik|mona"):
        claims = asking("id_token", sub={"value": subject})
        response = await visitor.authorize(client_id="pair", prompt="none", claims=claims, state="s")
        is_redirect_error(response, "login_required", state="s")
    response = await visitor.authorize(client_id="pair", prompt="none", login_hint=own)
    assert "code" in redirected(response)


async def test_R_SE7_an_expired_hint_still_counts() -> None:
    world = await a_world()
    visitor = Visitor(world)
    hint = await a_hint(world, visitor)
    world.clock.advance(days=2)
    assert "code" in redirected(await visitor.authorize(id_token_hint=hint, prompt="none"))
    other = Visitor(world)
    await other.code("mona")
    response = await other.authorize(id_token_hint=hint, prompt="none", state="s")
    is_redirect_error(response, "login_required", state="s")


@pytest.mark.parametrize("scope", ["openid", "openid profile", "openid email"])
async def test_a_hint_tells_the_page_no_more_than_it_told_the_app(world: World, scope: str) -> None:
    """The name is filled in from the token, never looked up: somebody else's token would be worth a name."""
    hint = await a_hint(world, Visitor(world), "mona", scope=scope)
    visitor = Visitor(world)
    await visitor.authorize(id_token_hint=hint)
    expected = {"openid": "", "openid profile": "mona", "openid email": "mona@example.test"}[scope]
    assert dict(visitor.page.fields)["username"] == expected


# ------------------------------------------------------------ the same for every response type and mode


@pytest.fixture(scope="module")
async def front() -> World:
    return await a_front_world()


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
@pytest.mark.parametrize("mode", ["fragment", "form_post"])
async def test_R_SE7_no_response_type_or_mode_tells_about_somebody_else(
    front: World, response_type: str, mode: str
) -> None:
    visitor = Visitor(front)
    meant = {"claims": asking("id_token", sub={"value": "ik|mona"}), "response_mode": mode}
    await visitor.authorize(**fronting(response_type=response_type))
    await visitor.sign_in("erin")
    with no_row(front):
        await visitor.authorize(**fronting(response_type=response_type, prompt="none", **meant))
    told = delivered(visitor.response)
    assert told["error"] == "login_required" and not told.keys() & {"code", "id_token", "access_token"}


@pytest.mark.parametrize("response_type", [kind for kind in FRONT_CHANNEL if "id_token" in kind])
async def test_named_claims_pass_the_browser_only_where_there_is_no_other_way(
    front: World, response_type: str
) -> None:
    """Beside a code they wait for the ID token that the code brings (OIDC Core §3.3.3.6)."""
    claims = asking("id_token", email=None)
    told = await answered(front, response_type=response_type, claims=claims, scope="openid")
    assert ("email" in claims_of(told["id_token"])) is ("code" not in told)
    if "code" not in told:
        return
    form = code_form(told["code"], redirect_uri=FRONT_CALLBACK)
    answer = (await front.http().post("/oauth/token", data=form, headers=basic("front"))).json()
    assert claims_of(answer["id_token"])["email"] == "erin@example.test"


# ------------------------------------------------------------ display


async def test_every_display_that_is_listed_shows_the_page_and_no_other(world: World) -> None:
    document = (await world.http().get("/.well-known/openid-configuration")).json()
    for display in document["display_values_supported"]:
        visitor = Visitor(world)
        shown: httpx2.Response = await visitor.authorize(display=display)
        assert shown.status_code == 200 and "login-submit" in visitor.page.ids
    for display in ("none", "PAGE", "embedded", "page popup", "<script>"):
        await refused(world, "invalid_request", display=display)
