"""Discovery promises what works and nothing else: every advertised value is exercised, an unlisted one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from innkeeper.jose import base64url
from innkeeper.oauth.response_type import LEGAL
from innkeeper.server.config import LegacyFlows
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.user import Address, Profile
from innkeeper.server.protocol.grants.token_exchange import ACCESS_TOKEN, TokenExchange
from tests.assertions import (
    ED_PRIVATE,
    ED_PUBLIC,
    RSA_KEY,
    RSA_PUBLIC,
    a_key,
    assertion,
    by_assertion,
    let_sign,
    let_sign_by_secret,
    rsa_private,
    secret_assertion,
)
from tests.attacks.oracles import is_json_error
from tests.attacks.token_requests import FOR_API, tokens
from tests.fronting import FRONT_CALLBACK, MODES, a_front_world, answered, asked, delivered, mode_of
from tests.refreshing import a_refresh_token, may_refresh
from tests.television import DEVICE_GRANT, Phone, a_living_room, shown
from tests.visitor import BROWSER, Visitor
from tests.world import (
    ISSUER,
    PAYROLL,
    SECRET,
    SPA_CALLBACK,
    TIMESHEETS,
    VERIFIER,
    World,
    authorize_parameters,
    basic,
    code_form,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_living_room()


async def metadata(world: World) -> dict[str, Any]:
    answer = await world.http().get("/.well-known/openid-configuration")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def at_authorize(world: World, **parameters: str | None) -> dict[str, str]:
    """What the app is told by somebody who is signed in."""
    visitor = Visitor(world)
    await visitor.code()
    answer = await visitor.http.get("/authorize", params=authorize_parameters(**parameters), headers=BROWSER)
    query = urlsplit(answer.headers["location"]).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return found


# ------------------------------------------------------------ the documents


async def test_both_documents_are_the_same_and_for_everybody(world: World) -> None:
    first = await world.http().get(
        "/.well-known/openid-configuration", headers={"origin": "https://any.example.test"}
    )
    second = await world.http().get("/.well-known/oauth-authorization-server")
    assert first.json() == second.json()
    assert first.headers["access-control-allow-origin"] == "*"
    assert "max-age" in first.headers["cache-control"]


async def test_every_url_is_below_the_issuer_and_answers(world: World) -> None:
    found = await metadata(world)
    assert found["issuer"] == ISSUER
    urls = {name: value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))}
    names = "authorization token userinfo revocation introspection device_authorization end_session"
    assert set(urls) == {"jwks_uri", *(f"{name}_endpoint" for name in names.split())}
    for name, url in urls.items():
        assert url.startswith(ISSUER + "/")
        answer = await world.http().get(url)
        assert answer.status_code != 404, name


async def test_the_host_of_a_request_changes_nothing(world: World) -> None:
    honest = await metadata(world)
    answer = await world.http().get(
        "/.well-known/openid-configuration", headers={"x-forwarded-host": "evil.example.test"}
    )
    assert answer.json() == honest


async def test_keys_verify_what_was_signed_and_hold_nothing_private(world: World) -> None:
    jwks = (await world.http().get((await metadata(world))["jwks_uri"])).json()
    for key in jwks["keys"]:
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
        assert key["use"] == "sig" and key["kid"]
    assert {key["alg"] for key in jwks["keys"]} == set(
        (await metadata(world))["id_token_signing_alg_values_supported"]
    )


# ------------------------------------------------------------ values of the authorization endpoint


EVERY_COMBINATION = (*LEGAL, "CODE", "code code")


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("tokens", [False, True])
async def test_each_response_type_works_and_others_are_refused(implicit: bool, tokens: bool) -> None:
    legacy = LegacyFlows(implicit=implicit, front_channel_access_tokens=tokens)
    world = await a_front_world(legacy=legacy)
    found = await metadata(world)
    supported = found["response_types_supported"]
    assert {"code", "code id_token"} <= set(supported)
    assert ("id_token" in supported, "code token" in supported) == (implicit, tokens)
    assert ("implicit" in found["grant_types_supported"]) == implicit
    for value in EVERY_COMBINATION:
        answer = await answered(world, response_type=value)
        if value in supported:
            given = {word: word if word != "token" else "access_token" for word in value.split()}
            assert set(given.values()) <= answer.keys(), value
        else:
            assert answer["error"] == "unsupported_response_type", value


async def test_each_response_mode_works_and_others_are_refused() -> None:
    world = await a_front_world()
    supported = (await metadata(world))["response_modes_supported"]
    assert supported == list(MODES)
    for value in supported:
        visitor = Visitor(world)
        await visitor.authorize(**asked(response_mode=value))
        await visitor.sign_in()
        assert mode_of(visitor.response) == value
        assert "code" in delivered(visitor.response)
    for value in ("query.jwt", "fragment.jwt", "jwt", "QUERY", "message"):
        assert (await answered(world, response_mode=value))["error"] == "invalid_request"


async def test_each_challenge_method_works_and_others_are_refused(world: World) -> None:
    supported = (await metadata(world))["code_challenge_methods_supported"]
    assert supported == ["S256"]
    assert "code" in await at_authorize(world, code_challenge_method="S256")
    assert (await at_authorize(world, code_challenge_method="plain"))["error"] == "invalid_request"


async def test_each_scope_is_granted_and_others_are_left_out(world: World) -> None:
    supported = (await metadata(world))["scopes_supported"]
    asked = " ".join([*supported, "unheard:of"])
    await may_refresh(world, "web")
    code = await Visitor(world).code(scope=asked)
    answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.json()["scope"].split() == supported


async def test_each_prompt_is_understood_and_others_are_refused(world: World) -> None:
    supported = (await metadata(world))["prompt_values_supported"]
    for value in supported:
        visitor = Visitor(world)
        await visitor.authorize(prompt=value)
        expected = 303 if value == "none" else 200
        assert visitor.response.status_code == expected, value
        if value == "none":
            assert visitor.answer()["error"] == "login_required"
    assert (await at_authorize(world, prompt="dance"))["error"] == "invalid_request"


async def test_the_issuer_is_in_every_answer_as_promised(world: World) -> None:
    assert (await metadata(world))["authorization_response_iss_parameter_supported"] is True
    assert (await at_authorize(world))["iss"] == ISSUER
    assert (await at_authorize(world, scope="openid", response_type="x"))["iss"] == ISSUER


async def test_each_language_is_spoken(world: World) -> None:
    for tag in (await metadata(world))["ui_locales_supported"]:
        visitor = Visitor(world)
        await visitor.authorize(ui_locales=tag)
        assert visitor.response.headers["content-language"] == tag
        assert f'lang="{tag}"' in visitor.response.text


@pytest.mark.parametrize(
    ("promise", "parameter", "error"),
    [
        ("request_parameter_supported", "request", "request_not_supported"),
        ("request_uri_parameter_supported", "request_uri", "request_uri_not_supported"),
    ],
)
async def test_what_is_said_to_be_missing_is_refused(
    world: World, promise: str, parameter: str, error: str
) -> None:
    assert (await metadata(world))[promise] is False
    assert (await at_authorize(world, **{parameter: "https://x.example.test"}))["error"] == error


# ------------------------------------------------------------ values of the token endpoint


async def an_exchange(world: World) -> dict[str, str]:
    """What `other` sends, which guards the timesheets and was shown a token for them."""
    await world.change(
        "other",
        grant_types=(TokenExchange.name,),
        resource_server_of=(TIMESHEETS,),
        api_grants=(ApiGrant(api=PAYROLL, scope=("read:payroll",)),),
    )
    shown_to_it = (await tokens(world, **FOR_API))["access_token"]
    return {
        "grant_type": TokenExchange.name,
        "subject_token": shown_to_it,
        "subject_token_type": ACCESS_TOKEN,
        "audience": PAYROLL,
    }


async def test_each_grant_type_works_and_others_are_refused(world: World) -> None:
    await may_refresh(world, "web")
    renewed = {"grant_type": "refresh_token", "refresh_token": await a_refresh_token(world)}
    forms: dict[str, tuple[str, dict[str, str]]] = {
        "refresh_token": ("web", renewed),
        "authorization_code": ("web", code_form(await Visitor(world).code())),
        "client_credentials": ("cron", {"grant_type": "client_credentials", "audience": TIMESHEETS}),
    }
    codes = await shown(world)
    await Phone(world).connect(codes)
    device = {"grant_type": DEVICE_GRANT, "client_id": "tv", "device_code": codes["device_code"]}
    forms[DEVICE_GRANT] = ("", device)
    forms[TokenExchange.name] = ("other", await an_exchange(world))
    supported = (await metadata(world))["grant_types_supported"]
    assert set(forms) <= set(
        supported
    )  # tests/http/test_discovery_walk.py exercises every one that is listed
    for name, (client_id, form) in forms.items():
        headers = basic(client_id) if client_id else {}
        answer = await world.http().post("/oauth/token", data=form, headers=headers)
        assert answer.status_code == 200, name
    for name in ("password", "implicit"):
        answer = await world.http().post("/oauth/token", data={"grant_type": name}, headers=basic("web"))
        is_json_error(answer, 400, "unsupported_grant_type")


async def test_each_client_authentication_works_and_others_are_refused(world: World) -> None:
    posted = {"client_id": "poster", "client_secret": SECRET}
    ways: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
        "client_secret_basic": ({}, {}, basic("web")),
        "client_secret_post": ({"client_id": "poster"}, posted, {}),
        "private_key_jwt": ({"client_id": "plain"}, by_assertion(assertion("plain")), {}),
        "client_secret_jwt": ({"client_id": "es256"}, by_assertion(secret_assertion("es256")), {}),
        "none": (
            {"client_id": "spa", "redirect_uri": SPA_CALLBACK},
            {"client_id": "spa", "redirect_uri": SPA_CALLBACK},
            {},
        ),
    }
    await let_sign(world, "plain")
    await let_sign_by_secret(world, "es256")
    supported = (await metadata(world))["token_endpoint_auth_methods_supported"]
    assert set(supported) == set(ways)
    for name in supported:
        asked, form, headers = ways[name]
        sent = code_form(await Visitor(world).code(**asked)) | form
        answer = await world.http().post("/oauth/token", data=sent, headers=headers)
        assert answer.status_code == 200, name
    for name in ("tls_client_auth", "self_signed_tls_client_auth"):
        assert name not in supported
    answer = await world.http().post(
        "/oauth/token", data=code_form("ik_ac_x", client_id="web"), headers={"x-client-cert": "MIIB"}
    )
    is_json_error(answer, 401, "invalid_client")


@pytest.mark.parametrize("endpoint", ["revocation", "introspection"])
async def test_each_client_authentication_works_where_tokens_are_given_back_and_looked_into(
    world: World, endpoint: str
) -> None:
    """RFC 7009 §2.1, RFC 7662 §2.1: an app that proves nothing may give its token back and look into none."""
    await let_sign(world, "plain")
    await let_sign_by_secret(world, "es256")
    makers: dict[str, Callable[[], tuple[dict[str, str], dict[str, str]]]] = {
        "client_secret_basic": lambda: ({}, basic("web")),
        "client_secret_post": lambda: ({"client_id": "poster", "client_secret": SECRET}, {}),
        "private_key_jwt": lambda: (by_assertion(assertion("plain")), {}),
        "client_secret_jwt": lambda: (by_assertion(secret_assertion("es256")), {}),
        "none": lambda: ({"client_id": "spa"}, {}),
    }
    found = await metadata(world)
    supported = found[f"{endpoint}_endpoint_auth_methods_supported"]
    assert set(makers) - set(supported) == ({"none"} if endpoint == "introspection" else set())
    for name, made in makers.items():
        form, headers = made()
        url = found[f"{endpoint}_endpoint"]
        answer = await world.http().post(url, data={"token": "x"} | form, headers=headers)
        assert answer.status_code == (200 if name in supported else 401), name


async def test_each_algorithm_of_assertions_works_and_others_are_refused(world: World) -> None:
    makers: dict[str, Callable[[], str]] = {
        "ES256": lambda: assertion("cron"),
        "RS256": lambda: assertion("cron", header={"alg": "RS256", "kid": "rsa"}, sign=RSA_KEY),
        "PS256": lambda: assertion("cron", header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private()),
        "EdDSA": lambda: assertion("cron", header={"alg": "EdDSA", "kid": "ed"}, sign=ED_PRIVATE),
        "Ed25519": lambda: assertion("cron", header={"alg": "Ed25519", "kid": "ed"}, sign=ED_PRIVATE),
        "HS256": lambda: secret_assertion("cron"),
    }
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    found = await metadata(world)
    supported = found["token_endpoint_auth_signing_alg_values_supported"]
    assert set(supported) == set(makers)
    others = {
        name: found[name] for name in found if name.endswith("_endpoint_auth_signing_alg_values_supported")
    }
    assert all(value == supported for value in others.values())
    for alg in supported:
        if alg == "HS256":
            await let_sign_by_secret(world, "cron")
        else:
            await let_sign(world, "cron", keys=(a_key(), a_key(RSA_PUBLIC), a_key(ED_PUBLIC)))
        answer = await world.http().post("/oauth/token", data=form | by_assertion(makers[alg]()))
        assert answer.status_code == 200, (alg, answer.text)
    await let_sign(world, "cron", keys=(a_key(), a_key(RSA_PUBLIC)))
    for alg in ("RS384", "RS512", "PS384", "PS512", "ES384", "ES512", "ES256K"):
        text = assertion("cron", header={"alg": alg, "kid": "rsa"}, sign=RSA_KEY)
        answer = await world.http().post("/oauth/token", data=form | by_assertion(text))
        is_json_error(answer, 401, "invalid_client")


async def test_each_signing_algorithm_signs_id_tokens(world: World) -> None:
    for alg in (await metadata(world))["id_token_signing_alg_values_supported"]:
        await world.change("web", id_token_signed_response_alg=alg)
        code = await Visitor(world).code()
        answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
        header = base64url.decode(answer.json()["id_token"].split(".")[0])
        assert f'"alg":"{alg}"'.encode() in header
        await world.change("web", id_token_signed_response_alg="RS256")


async def test_every_claim_that_is_listed_can_come_and_no_other() -> None:
    world = await a_front_world()
    full = Profile(**dict.fromkeys(Profile.__struct_fields__, "x"))
    await world.change_user("erin", profile=full, address=Address(formatted="Somewhere 1"))
    found = await metadata(world)
    scope = " ".join(found["scopes_supported"])
    front = await answered(world, scope=scope, response_type="code id_token")
    form = code_form(front["code"], redirect_uri=FRONT_CALLBACK)
    answer = await world.http().post("/oauth/token", data=form, headers=basic("front"))
    in_userinfo = await world.http().get(
        "/userinfo", headers={"authorization": f"Bearer {answer.json()['access_token']}"}
    )
    told = claims(answer.json()["id_token"]).keys() | in_userinfo.json().keys()
    assert set(found["claims_supported"]) == told | claims(front["id_token"]).keys()
    assert VERIFIER not in answer.text
