"""CD-10: bodies of every wrong kind, at the token endpoint and wherever else an app sends one."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from tests.attacks.client_endpoints import ENDPOINTS, FORMS
from tests.attacks.oracles import is_json_error, is_sound, keeps_secrets, no_row
from tests.visitor import Visitor
from tests.world import World, a_world, basic, code_form

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_world()


FORM = "application/x-www-form-urlencoded"
GOOD = {"grant_type": "authorization_code", "code": "ik_ac_x", "redirect_uri": "https://x.test"}
BODIES: dict[str, tuple[str, bytes]] = {
    "multipart": ("multipart/form-data; boundary=b", b"--b\r\n\r\n--b--"),
    "no type": ("", b"grant_type=authorization_code"),
    "text": ("text/plain", b"grant_type=authorization_code"),
    "another charset": (FORM + "; charset=utf-16", b"grant_type=authorization_code"),
    "latin-1": (FORM + "; charset=iso-8859-1", b"grant_type=authorization_code"),
    "bytes that are no UTF-8": (FORM, b"grant_type=authorization_code&code=\xff\xfe"),
    "a broken percent sign": (FORM, b"grant_type=authorization_code&code=%zz"),
    "a NUL": (FORM, b"grant_type=authorization_code&code=a%00b"),
    "a repeated code": (FORM, b"grant_type=authorization_code&code=a&code=b"),
    "a repeated grant_type": (FORM, b"grant_type=client_credentials&grant_type=authorization_code"),
    "nothing": (FORM, b""),
    "JSON that ends early": ("application/json", b'{"grant_type": "authorization_code"'),
    "a JSON list": ("application/json", b'["grant_type"]'),
    "a JSON number": ("application/json", json.dumps(GOOD | {"code": 1}).encode()),
    "a JSON null": ("application/json", json.dumps(GOOD | {"code": None}).encode()),
    "a nested JSON object": ("application/json", json.dumps(GOOD | {"code": {"a": "b"}}).encode()),
    "a repeated JSON member": ("application/json", b'{"grant_type":"a","grant_type":"b"}'),
    "deep JSON": ("application/json", b"[" * 20_000),
    "a JSON text": ("application/json", b'"grant_type=authorization_code"'),
}


@pytest.mark.parametrize(("content_type", "body"), BODIES.values(), ids=BODIES.keys())
async def test_CD_10_a_body_that_is_no_token_request_is_refused(
    world: World, content_type: str, body: bytes
) -> None:
    headers = basic("web") | ({"content-type": content_type} if content_type else {})
    with no_row(world):
        answer = await world.http().post("/oauth/token", content=body, headers=headers)
    is_json_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("content_type", [FORM, "application/json"])
async def test_CD_10_a_megabyte_is_too_much(world: World, content_type: str) -> None:
    headers = basic("web") | {"content-type": content_type}
    answer = await world.http().post("/oauth/token", content=b"a" * (1 << 20), headers=headers)
    is_sound(answer)
    assert answer.status_code == 413


async def test_CD_10_parameters_in_the_query_are_refused(world: World) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        answer = await world.http().post("/oauth/token", params=code_form(code), headers=basic("web"))
    is_json_error(answer, 400, "invalid_request")
    keeps_secrets(world, code)


async def test_CD_10_a_flat_json_object_of_strings_is_a_token_request(world: World) -> None:
    code = await Visitor(world).code()
    answer = await world.http().post("/oauth/token", json=code_form(code), headers=basic("web"))
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "nothing"])
async def test_CD_10_no_endpoint_of_apps_takes_such_a_body(world: World, path: str, kind: str) -> None:
    """An empty one is no form of a wrong kind: each endpoint says itself what it misses."""
    content_type, body = BODIES[kind]
    headers = basic("cron") | ({"content-type": content_type} if content_type else {})
    with no_row(world):
        answer = await world.http().post(path, content=body, headers=headers)
    is_json_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_CD_10_no_parameter_may_come_twice_at_any_endpoint_of_apps(world: World, path: str) -> None:
    headers = basic("cron") | {"content-type": FORM}
    for name in (*FORMS[path], "client_assertion", "whatever"):
        body = urlencode([*FORMS[path].items(), (name, "a"), (name, "b")])
        with no_row(world):
            answer = await world.http().post(path, content=body.encode(), headers=headers)
        is_json_error(answer, 400, "invalid_request")
        assert name in answer.json()["error_description"]
