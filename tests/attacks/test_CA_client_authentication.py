"""Attacks on client authentication: none, client_secret_basic and client_secret_post."""

from __future__ import annotations

import base64
import random
import statistics
import time
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from innkeeper.jose.hashes import constant_time_equal, sha256
from innkeeper.oauth.errors import InvalidClient
from innkeeper.server.model.client import Client, ClientSecret
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.client_auth import base
from innkeeper.server.protocol.client_auth.base import Presented
from tests.assertions import facts
from tests.attacks.oracles import is_json_error, is_sound, keeps_secrets, no_row, still_works
from tests.attacks.timing import area_under_curve
from tests.attacks.token_requests import redeem
from tests.visitor import Visitor
from tests.world import (
    SECRET,
    SPA_CALLBACK,
    SPA_ORIGIN,
    START,
    TIMESHEETS,
    World,
    a_client,
    a_world,
    basic,
    code_form,
)

pytestmark = pytest.mark.anyio
MACHINE = {"grant_type": "client_credentials", "audience": TIMESHEETS}
CHALLENGE = 'Basic realm="innkeeper", charset="UTF-8"'


@pytest.fixture
async def world() -> World:
    return await a_world()


async def ask(
    world: World, form: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """A machine's request, which needs nothing but authentication."""
    return await world.http().post("/oauth/token", data=MACHINE | (form or {}), headers=headers or {})


# ------------------------------------------------------------ CA-01: not the secret


WRONG_SECRETS = {
    "wrong": "wrong",
    "empty": "",
    "shorter": SECRET[:-1],
    "longer": SECRET + "s",
    "another case": SECRET.swapcase(),
    "with a space": SECRET + " ",
    "its digest": sha256(SECRET.encode()).hex(),
}


@pytest.mark.parametrize("secret", WRONG_SECRETS.values(), ids=WRONG_SECRETS.keys())
async def test_CA_01_a_wrong_secret_is_refused(world: World, secret: str) -> None:
    with no_row(world):
        answer = await ask(world, headers=basic("cron", secret))
    is_json_error(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"] == CHALLENGE
    await still_works(world)


async def test_CA_01_no_authentication_at_all_is_refused(world: World) -> None:
    with no_row(world):
        answer = await ask(world)
    is_json_error(answer, 401, "invalid_client")
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("secret", ["wrong", SECRET[:-1]])
async def test_CA_01_a_wrong_secret_in_the_body_is_refused(world: World, secret: str) -> None:
    code = await Visitor(world).code(client_id="poster")
    form = code_form(code, client_id="poster", client_secret=secret)
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form)
    is_json_error(answer, 401, "invalid_client")
    assert "www-authenticate" not in answer.headers


async def test_CA_01_the_secret_of_another_app_is_refused(world: World) -> None:
    theirs = (ClientSecret(digest=sha256(b"theirs"), created_at=START),)
    await world.change("cron", secrets=theirs)
    is_json_error(await ask(world, headers=basic("cron")), 401, "invalid_client")
    assert (await ask(world, headers=basic("cron", "theirs"))).status_code == 200


async def test_CA_01_a_rotated_secret_ends_when_its_overlap_ends(world: World) -> None:
    old = ClientSecret(
        digest=sha256(SECRET.encode()), created_at=START, expires_at=START + timedelta(seconds=60)
    )
    new = ClientSecret(digest=sha256(b"new"), created_at=START)
    await world.change("cron", secrets=(old, new))
    assert (await ask(world, headers=basic("cron"))).status_code == 200
    assert (await ask(world, headers=basic("cron", "new"))).status_code == 200
    world.clock.advance(seconds=60)
    is_json_error(await ask(world, headers=basic("cron")), 401, "invalid_client")
    assert (await ask(world, headers=basic("cron", "new"))).status_code == 200


async def test_CA_01_a_deleted_secret_is_refused(world: World) -> None:
    await world.change("cron", secrets=())
    is_json_error(await ask(world, headers=basic("cron")), 401, "invalid_client")
    is_json_error(await ask(world, headers=basic("cron", "")), 401, "invalid_client")


async def test_CA_01_the_secret_is_no_method_but_the_registered_one(world: World) -> None:
    is_json_error(await ask(world, {"client_id": "cron", "client_secret": SECRET}), 401, "invalid_client")
    is_json_error(await ask(world, {"client_id": "cron"}), 401, "invalid_client")
    code = await Visitor(world).code(client_id="poster")
    is_json_error(await redeem(world, code, "poster"), 401, "invalid_client")


async def test_CA_01_unknown_disabled_and_wrong_read_the_same(world: World) -> None:
    answers = [
        await ask(world, headers=basic("cron", "wrong")),
        await ask(world, headers=basic("nobody", "wrong")),
        await ask(world, headers=basic("disabled", SECRET)),
        await ask(world, headers=basic("spa", "wrong")),
        await ask(world, headers=basic("x" * 300, "wrong")),
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.status_code for answer in answers} == {401}
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


# ------------------------------------------------------------ CA-02: two at once


@pytest.mark.parametrize(
    "form",
    [{"client_id": "cron", "client_secret": SECRET}, {"client_id": "cron", "client_secret": "wrong"}],
)
async def test_CA_02_two_methods_at_once_are_refused(world: World, form: dict[str, str]) -> None:
    with no_row(world):
        is_json_error(await ask(world, form, basic("cron")), 400, "invalid_request")


async def test_CA_02_a_secret_without_an_id_beside_basic_is_refused(world: World) -> None:
    answer = await ask(world, {"client_secret": SECRET}, basic("cron"))
    is_sound(answer)
    assert answer.status_code in (400, 401)


async def test_CA_02_another_client_id_in_the_body_is_refused(world: World) -> None:
    is_json_error(await ask(world, {"client_id": "web"}, basic("cron")), 400, "invalid_request")
    assert (await ask(world, {"client_id": "cron"}, basic("cron"))).status_code == 200


async def test_CA_02_two_authorization_headers_are_refused(world: World) -> None:
    headers = [
        ("authorization", basic("cron")["authorization"]),
        ("authorization", basic("web")["authorization"]),
    ]
    answer = await world.http().post("/oauth/token", data=MACHINE, headers=headers)
    is_sound(answer)
    assert answer.status_code == 400


# ------------------------------------------------------------ CA-04: broken credentials


def encoded(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


BROKEN = {
    "no base64": "Basic !!!!",
    "base64 of the URL alphabet": "Basic Y3Jvbjr_-_8",
    "bad padding": "Basic Y3Jvbg",
    "white space inside": "Basic Y3Jv bjp4",
    "no colon": encoded(b"cron"),
    "nothing": "Basic ",
    "the scheme alone": "Basic",
    "no UTF-8": encoded(b"cron:\xff\xfe"),
    "percent bytes that are no UTF-8": encoded(b"cron:%ff%fe"),
    "a broken percent sign": encoded(b"cron:%zz"),
    "a NUL": encoded(b"cron\0:" + SECRET.encode()),
    "a colon only": encoded(b":"),
    "an empty id": encoded(b":" + SECRET.encode()),
    "a line break": encoded(b"cron\r\nx: y:" + SECRET.encode()),
    "bearer without a token": "Bearer",
    "bearer with a token": "Bearer ik_at_x",
    "an unknown scheme": "Negotiate YII=",
    "too long": "Basic " + "QUFB" * 2000,
}


@pytest.mark.parametrize("header", BROKEN.values(), ids=BROKEN.keys())
async def test_CA_04_broken_credentials_are_refused(world: World, header: str) -> None:
    with no_row(world):
        answer = await ask(world, headers={"authorization": header})
    is_json_error(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"] == CHALLENGE
    keeps_secrets(world)


async def test_CA_04_a_megabyte_of_credentials_is_refused(world: World) -> None:
    answer = await ask(world, headers={"authorization": "Basic " + "QUFB" * (1 << 18)})
    is_sound(answer)
    assert 400 <= answer.status_code < 500
    await still_works(world)


async def test_CA_04_id_and_secret_are_form_encoded_inside_basic(world: World) -> None:
    odd = "a:b%c+d e&ü"
    await world.change("cron", secrets=(ClientSecret(digest=sha256(odd.encode()), created_at=START),))
    for spelled in (b"a%3Ab%25c%2Bd+e%26%C3%BC", b"a%3ab%25c%2bd%20e%26%c3%bc"):
        answer = await ask(world, headers={"authorization": encoded(b"cron:" + spelled)})
        assert answer.status_code == 200, spelled
    is_json_error(
        await ask(world, headers={"authorization": encoded(b"cron:" + odd.encode())}), 401, "invalid_client"
    )


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
async def test_CA_04_the_scheme_has_no_case(world: World, scheme: str) -> None:
    header = basic("cron")["authorization"].replace("Basic", scheme)
    assert (await ask(world, headers={"authorization": header})).status_code == 200


# ------------------------------------------------------------ CA-10: what a proxy might have said


@pytest.mark.parametrize(
    "header", ["x-ssl-client-cert", "x-client-cert", "x-forwarded-user", "x-forwarded-client-cert"]
)
async def test_CA_10_forged_headers_of_a_proxy_authenticate_nobody(world: World, header: str) -> None:
    answer = await ask(world, {"client_id": "cron"}, {header: "CN=cron"})
    is_json_error(answer, 401, "invalid_client")


# ------------------------------------------------------------ CA-11: what time tells


def guesses(client: Client | None) -> list[tuple[Presented, Client | None]]:
    """A wrong secret whose first byte is right, one whose first byte is wrong, none at all."""
    wrong = (SECRET[:-1] + "x", "x" + SECRET[1:], "")
    return [
        (Presented(method="client_secret_basic", client_id="web", secret=secret), client) for secret in wrong
    ]


def refused(presented: Presented, client: Client | None) -> None:
    with pytest.raises(InvalidClient):
        client_auth.verify(presented, client, facts(), origin=None)


def test_CA_11_every_refusal_costs_the_same_digests_and_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def counted_digest(data: bytes) -> bytes:
        done.append("digest")
        return sha256(data)

    def counted_comparison(one: bytes, other: bytes) -> bool:
        done.append("comparison")
        return constant_time_equal(one, other)

    monkeypatch.setattr(base, "sha256", counted_digest)
    monkeypatch.setattr(base, "constant_time_equal", counted_comparison)
    in_rotation = ClientSecret(digest=sha256(b"new"), created_at=START)
    known = (
        a_client("web"),
        a_client("web", is_enabled=False),
        a_client("web", secrets=()),
        a_client("web", secrets=(*a_client("web").secrets, in_rotation)),
        a_client("web", token_endpoint_auth_method="client_secret_post"),
        None,
    )
    costs = set()
    for client in known:
        for presented, _ in guesses(client):
            done.clear()
            refused(presented, client)
            costs.add(tuple(done))
    assert costs == {("digest", "comparison", "comparison")}


async def test_CA_11_unknown_and_known_apps_are_read_from_the_store_equally_often(world: World) -> None:
    counters = world.services.store.counters  # type: ignore[attr-defined]
    costs = []
    for client_id in ("web", "nobody"):
        for _ in range(2):
            reads, transitions = counters.reads, counters.transitions
            is_json_error(await ask(world, headers=basic(client_id, "wrong")), 401, "invalid_client")
            costs.append((counters.reads - reads, counters.transitions - transitions))
    assert costs[:2] == costs[2:] == [(1, 0), (0, 0)]


@pytest.mark.faults("attacks")
@pytest.mark.parametrize("other", ["unknown client", "first byte wrong"])
def test_CA_11_time_tells_nothing_in_a_thousand_interleaved_pairs(other: str) -> None:
    client = a_client("web")
    [near, far, _] = [presented for presented, _ in guesses(client)]
    pairs = {"unknown client": (near, None), "first byte wrong": (far, client)}
    control, (presented, against) = (near, client), pairs[other]
    assert abs(area_under_curve(*_timed(control, (presented, against))) - 0.5) <= 0.05


def _timed(one: Any, other: Any) -> tuple[list[float], list[float]]:
    measured: tuple[list[float], list[float]] = ([], [])
    order = random.Random(11)
    for _ in range(1_000):
        for index in order.sample((0, 1), 2):
            presented, client = (one, other)[index]
            samples = []
            for _ in range(15):  # the quickest of some: the rest is other people's work on this machine
                began = time.perf_counter_ns()
                refused(presented, client)
                samples.append(time.perf_counter_ns() - began)
            measured[index].append(statistics.median(samples))
    return measured


# ------------------------------------------------------------ CA-13: public clients


async def test_CA_13_a_public_app_with_a_secret_is_refused(world: World) -> None:
    code = await Visitor(world).code(client_id="spa", redirect_uri=SPA_CALLBACK)
    for secret in ("anything", SECRET):
        form = code_form(code, client_id="spa", client_secret=secret, redirect_uri=SPA_CALLBACK)
        with no_row(world):
            is_json_error(await world.http().post("/oauth/token", data=form), 401, "invalid_client")
    with no_row(world):
        is_json_error(await redeem(world, code, "spa", redirect_uri=SPA_CALLBACK), 401, "invalid_client")


async def test_CA_13_an_empty_secret_is_no_secret(world: World) -> None:
    code = await Visitor(world).code(client_id="spa", redirect_uri=SPA_CALLBACK)
    form = code_form(code, client_id="spa", client_secret="", redirect_uri=SPA_CALLBACK)
    answer = await world.http().post("/oauth/token", data=form)
    assert answer.status_code == 200


async def test_CA_13_an_app_with_a_secret_is_never_treated_as_public(world: World) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=code_form(code, client_id="web"))
    is_json_error(answer, 401, "invalid_client")


@pytest.mark.parametrize("method", ["basic", "post"])
async def test_CA_13_a_secret_from_a_browser_is_refused(world: World, method: str) -> None:
    client_id = "web" if method == "basic" else "poster"
    code = await Visitor(world).code(client_id=client_id)
    form = code_form(code)
    headers = {"origin": SPA_ORIGIN} | (basic(client_id) if method == "basic" else {})
    if method == "post":
        form |= {"client_id": client_id, "client_secret": SECRET}
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form, headers=headers)
    is_json_error(answer, 400, "invalid_request")
    assert "access-control-allow-origin" not in answer.headers
