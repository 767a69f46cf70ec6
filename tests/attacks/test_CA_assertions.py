"""Attacks on JWTs by which apps prove themselves, at every endpoint that asks who is calling."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from innkeeper.jose import base64url, jwk, strict_json
from innkeeper.jose import jwt as jose_jwt
from innkeeper.jose.hashes import hmac_sha256
from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.errors import InvalidClient
from innkeeper.oauth.parameters import Parameters
from innkeeper.server import app
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.client_assertion import KEY_ALGORITHMS, STAND_INS
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.sqlite.store import open_store
from innkeeper.server.web.routes import ROUTES
from tests.assertions import (
    EC_KEY,
    EC_PRIVATE,
    OTHER_EC_KEY,
    RSA_KEY,
    RSA_PUBLIC,
    TOKEN_ENDPOINT,
    T,
    a_key,
    a_sealed_secret,
    a_signing_client,
    assertion,
    by_assertion,
    claims,
    facts,
    let_sign,
    let_sign_by_secret,
    rsa_private,
    secret_assertion,
    signed,
    soon,
)
from tests.attacks.client_endpoints import ENDPOINTS, FORMS, ask, is_known
from tests.attacks.oracles import is_json_error, keeps_secrets, no_row, still_works
from tests.attacks.token_requests import tables
from tests.visitor import Visitor
from tests.world import (
    ISSUER,
    MASTER,
    SECRET,
    START,
    Clock,
    FastPasswords,
    Heard,
    World,
    a_world,
    basic,
    code_form,
)

pytestmark = pytest.mark.anyio
EVERYWHERE = pytest.mark.parametrize("path", ENDPOINTS)


@pytest.fixture
async def world() -> World:
    """`cron` signs with the key `ec`."""
    world = await a_world()
    await let_sign(world, "cron")
    return world


async def is_refused(world: World, path: str, text: str, **form: str) -> dict[str, Any]:
    """401 invalid_client, no row, and the assertion is still unused."""
    with no_row(world):
        answer = await ask(world, path, by_assertion(text) | form)
    return is_json_error(answer, 401, "invalid_client")


async def is_taken(world: World, path: str, text: str, **form: str) -> None:
    answer = await ask(world, path, by_assertion(text) | form)
    assert is_known(answer), answer.text


def test_every_endpoint_that_knows_clients_is_attacked() -> None:
    paths = {route for _, route in ROUTES}
    assert {"/oauth/token", "/oauth/revoke"} <= set(ENDPOINTS) <= paths
    assert {path for path in paths if path.startswith("/oauth/")} == set(ENDPOINTS)


@EVERYWHERE
async def test_CA_00_the_control_assertions_are_taken(world: World, path: str) -> None:
    await is_taken(world, path, assertion("cron"))
    await is_taken(world, path, assertion("cron"), client_id="cron")
    for typ in ("JWT", "jwt", "application/client-authentication+jwt", "Client-Authentication+JWT", ...):
        await is_taken(world, path, assertion("cron", header={"typ": typ}))
    await is_taken(world, path, assertion("cron", header={"kid": ...}))
    await is_taken(world, path, assertion("cron", iat=...))
    await let_sign_by_secret(world, "cron")
    await is_taken(world, path, secret_assertion("cron"))


# ------------------------------------------------------------ CA-02: two at once


@EVERYWHERE
@pytest.mark.parametrize("make", [assertion, secret_assertion])
async def test_CA_02_an_assertion_beside_a_secret_is_refused(
    world: World, path: str, make: Callable[..., str]
) -> None:
    with no_row(world):
        for headers, form in ((basic("cron"), {}), ({}, {"client_id": "cron", "client_secret": SECRET})):
            answer = await ask(world, path, by_assertion(make("cron")) | form, headers)
            is_json_error(answer, 400, "invalid_request")


@EVERYWHERE
async def test_CA_02_two_assertions_and_half_of_one_are_refused(world: World, path: str) -> None:
    good = by_assertion(assertion("cron"))
    twice = [*FORMS[path].items(), *good.items(), ("client_assertion", assertion("cron"))]
    halves = (
        {"client_assertion": good["client_assertion"]},
        {"client_assertion_type": good["client_assertion_type"]},
    )
    with no_row(world):
        answer = await world.http().post(
            path,
            content=urlencode(twice),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        is_json_error(answer, 400, "invalid_request")
        for half in halves:
            for more in ({}, {"client_id": "cron"}):
                is_json_error(await ask(world, path, half | more), 400, "invalid_request")


@EVERYWHERE
async def test_CA_02_an_assertion_of_one_app_with_the_id_of_another_is_refused(
    world: World, path: str
) -> None:
    with no_row(world):
        answer = await ask(world, path, by_assertion(assertion("cron")) | {"client_id": "web"})
    is_json_error(answer, 400, "invalid_request")


@EVERYWHERE
@pytest.mark.parametrize(
    "kind",
    [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "urn:ietf:params:oauth:client-assertion-type:JWT-bearer",
        "jwt-bearer",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ],
)
async def test_CA_02_another_kind_of_assertion_is_refused(world: World, path: str, kind: str) -> None:
    form = by_assertion(assertion("cron")) | {"client_assertion_type": kind}
    with no_row(world):
        is_json_error(await ask(world, path, form), 400, "invalid_request")


# ------------------------------------------------------------ CA-05: what it says


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "iss is another app": {"iss": "web"},
    "iss is the issuer": {"iss": ISSUER},
    "no iss": {"iss": ...},
    "iss is a list": {"iss": ["cron"]},
    "iss in another case": {"iss": "Cron"},
    "no exp": {"exp": ...},
    "exp is past": {"exp": T - 10},
    "exp is long past": {"exp": T - 3600, "iat": T - 3660},
    "exp is too far": {"exp": T + 311},
    "exp is text": {"exp": str(T + 60)},
    "exp is a float": {"exp": T + 60.5},
    "exp is true": {"exp": True},
    "exp is negative": {"exp": -1},
    "exp is huge": {"exp": 10**30},
    "exp is null": {"exp": None},
    "iat lies ahead": {"iat": T + 11},
    "iat is old": {"iat": T - 311},
    "iat is text": {"iat": "now"},
    "nbf lies ahead": {"nbf": T + 11},
    "nbf is a float": {"nbf": 1.5},
    "no jti": {"jti": ...},
    "an empty jti": {"jti": ""},
    "jti is a number": {"jti": 7},
    "jti is a list": {"jti": ["a"]},
    "a long jti": {"jti": "j" * 257},
    "no aud": {"aud": ...},
    "aud is empty": {"aud": ""},
    "aud is no text": {"aud": 1},
    "aud is another server": {"aud": "https://other.example.test"},
    "aud is the issuer and a slash": {"aud": ISSUER + "/"},
    "aud is a part of the issuer": {"aud": ISSUER[:-1]},
    "aud is the issuer in upper case": {"aud": ISSUER.upper()},
    "aud is the token endpoint": {"aud": TOKEN_ENDPOINT},
    "aud is a list": {"aud": [ISSUER]},
    "aud is a list with another": {"aud": [ISSUER, "https://other.example.test"]},
    "aud is an empty list": {"aud": []},
    "aud is the app": {"aud": "cron"},
}


@EVERYWHERE
@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
async def test_CA_05_what_a_good_signature_cannot_heal(
    world: World, path: str, changes: dict[str, Any]
) -> None:
    told = await is_refused(world, path, assertion("cron", **changes))
    assert "About the assertion: " in told["error_description"]
    await let_sign_by_secret(world, "cron")
    assert await is_refused(world, path, secret_assertion("cron", **changes)) == told


@EVERYWHERE
async def test_CA_05_that_it_names_an_endpoint_is_the_last_thing_it_hears_whatever_the_app(
    world: World, path: str
) -> None:
    late: dict[str, Any] = {"aud": TOKEN_ENDPOINT, "exp": T + 4000}
    told = await is_refused(world, path, assertion("cron", **late))
    assert "Its exp is more than 5 minutes ahead" in told["error_description"]
    only = await is_refused(world, path, assertion("cron", aud=TOKEN_ENDPOINT))
    assert "Its aud is not" in only["error_description"]
    await let_sign(world, "cron", accepts_endpoint_audience=True)
    assert await is_refused(world, path, assertion("cron", **late)) == told


@EVERYWHERE
@pytest.mark.parametrize("sub", [..., "", 7, None, ["cron"], "nobody"])
async def test_CA_05_a_subject_that_is_no_app_is_refused(world: World, path: str, sub: Any) -> None:
    await is_refused(world, path, assertion("cron", sub=sub, iss=sub))
    await is_refused(world, path, assertion("cron", sub=sub))


@EVERYWHERE
async def test_CA_05_the_edges_of_the_clock_are_ten_seconds_wide(world: World, path: str) -> None:
    await is_taken(world, path, assertion("cron", exp=T - 9))
    await is_taken(world, path, assertion("cron", exp=T + 310))
    await is_taken(world, path, assertion("cron", iat=T + 10, nbf=T + 10))
    await is_taken(world, path, assertion("cron", iat=T - 310))
    world.clock.advance(hours=1)
    await is_refused(world, path, assertion("cron"))
    now = soon(hours=1)
    await is_taken(world, path, assertion("cron", exp=now + 60, iat=now))


@EVERYWHERE
async def test_CA_05_the_key_of_another_app_proves_nothing(world: World, path: str) -> None:
    await let_sign(world, "other", keys=(a_key(OTHER_EC_KEY.public_jwk),))
    by_other: dict[str, Any] = {"header": {"kid": "other"}, "sign": OTHER_EC_KEY}
    await is_refused(world, path, assertion("cron", **by_other))
    await is_refused(world, path, assertion("cron", header={"kid": "ec"}, sign=OTHER_EC_KEY))
    await is_refused(world, path, assertion("other"))
    await is_refused(world, path, assertion("other", iss="cron", **by_other))
    await is_taken(world, path, assertion("cron"))


@EVERYWHERE
async def test_CA_05_unknown_disabled_and_wrong_read_the_same(world: World, path: str) -> None:
    answers = [
        await is_refused(world, path, assertion("cron", sign=OTHER_EC_KEY)),
        await is_refused(world, path, assertion("cron", header={"kid": "unknown"})),
        await is_refused(world, path, assertion("nobody")),
        await is_refused(world, path, assertion("web")),
        await is_refused(world, path, assertion("spa")),
        await is_refused(world, path, secret_assertion("cron")),
        await is_refused(world, path, secret_assertion("nobody")),
        await is_refused(world, path, assertion("x" * 300)),
    ]
    await let_sign(world, "cron", is_enabled=False)
    answers.append(await is_refused(world, path, assertion("cron")))
    assert all(answer == answers[0] for answer in answers)
    faulty = [await is_refused(world, path, assertion(name, aud="x")) for name in ("cron", "nobody", "web")]
    assert faulty[0] == faulty[1] == faulty[2]


@EVERYWHERE
async def test_CA_05_a_key_or_secret_that_has_ended_proves_nothing(world: World, path: str) -> None:
    ends_at: dict[str, Any] = {"expires_at": START.replace(minute=1)}
    await let_sign(world, "cron", keys=(a_key(**ends_at), a_key(OTHER_EC_KEY.public_jwk)))
    await is_taken(world, path, assertion("cron"))
    world.clock.advance(minutes=1)
    now = soon(minutes=1)
    await is_refused(world, path, assertion("cron", exp=now + 60, iat=now))
    by_other: dict[str, Any] = {"header": {"kid": "other"}, "sign": OTHER_EC_KEY}
    await is_taken(world, path, assertion("cron", exp=now + 60, iat=now, **by_other))
    old = a_sealed_secret(world, "cron", **ends_at)
    new = a_sealed_secret(world, "cron", "n" * 50)
    await let_sign_by_secret(world, "cron", secrets=(old, new), keys=())
    await is_refused(world, path, secret_assertion("cron", exp=now + 60, iat=now))
    await is_taken(world, path, secret_assertion("cron", secret="n" * 50, exp=now + 60, iat=now))


@EVERYWHERE
@pytest.mark.parametrize("key", [b"", bytes(1), bytes(32), bytes(64), b"0" * 32])
async def test_CA_05_the_secrets_of_nobody_prove_nothing(world: World, path: str, key: bytes) -> None:
    """What stands in for missing secrets makes work, never a proof."""
    for secrets in ((a_sealed_secret(world, "cron"),), ()):
        await let_sign_by_secret(world, "cron", secrets=secrets)
        text = signed({"alg": "HS256", "typ": "JWT"}, claims("cron"), key)
        await is_refused(world, path, text)


@EVERYWHERE
async def test_CA_05_a_secret_sealed_for_another_app_or_too_short_proves_nothing(
    world: World, path: str
) -> None:
    await let_sign_by_secret(world, "cron", secrets=(a_sealed_secret(world, "web"),))
    await is_refused(world, path, secret_assertion("cron"))
    await let_sign_by_secret(world, "cron", secrets=(a_sealed_secret(world, "cron", "short"),))
    await is_refused(world, path, secret_assertion("cron", secret="short"))


@EVERYWHERE
async def test_CA_05_a_digest_of_the_secret_is_not_the_secret(world: World, path: str) -> None:
    await let_sign_by_secret(world, "cron")
    [secret] = (a_sealed_secret(world, "cron"),)
    for stolen in (secret.digest, secret.digest.hex().encode(), secret.sealed or b""):
        await is_refused(world, path, signed({"alg": "HS256", "typ": "JWT"}, claims("cron"), stolen))


@EVERYWHERE
async def test_CA_05_no_header_leads_to_another_key(world: World, path: str) -> None:
    canary = "https://attacker.example.test/keys"
    ignored: list[dict[str, Any]] = [
        {"jku": canary},
        {"x5u": canary},
        {"x5c": ["MIIB"]},
        {"x5t#S256": "x"},
    ]
    for header in ignored:
        await is_refused(
            world, path, assertion("cron", header=header | {"kid": "attacker"}, sign=OTHER_EC_KEY)
        )
        await is_refused(world, path, assertion("cron", header=header, sign=OTHER_EC_KEY))
    for header in ({"jwk": OTHER_EC_KEY.public_jwk}, {"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}):
        await is_refused(world, path, assertion("cron", header=header, sign=OTHER_EC_KEY))
        await is_refused(world, path, assertion("cron", header=header))


# ------------------------------------------------------------ CA-07: audiences of old libraries


@EVERYWHERE
async def test_CA_07_only_an_app_that_is_registered_so_may_name_an_endpoint(world: World, path: str) -> None:
    good = [ISSUER, TOKEN_ENDPOINT, ISSUER + path, [ISSUER], [TOKEN_ENDPOINT, ISSUER], [ISSUER + path]]
    for aud in good[1:]:
        await is_refused(world, path, assertion("cron", aud=aud))
    await let_sign(world, "cron", accepts_endpoint_audience=True)
    for aud in good:
        await is_taken(world, path, assertion("cron", aud=aud))
    bad: list[Any] = [
        ISSUER + "/userinfo",
        ISSUER + "/",
        TOKEN_ENDPOINT + "/",
        [ISSUER, "https://other.example.test"],
        [],
        [[ISSUER]],
        {"aud": ISSUER},
        None,
    ]
    for aud in bad:
        await is_refused(world, path, assertion("cron", aud=aud))


# ------------------------------------------------------------ CA-08: once


@EVERYWHERE
@pytest.mark.parametrize("first", ENDPOINTS)
async def test_CA_08_an_assertion_used_at_one_endpoint_is_used_at_all(
    world: World, path: str, first: str
) -> None:
    text = assertion("cron")
    await is_taken(world, first, text)
    for _ in range(3):
        told = await is_refused(world, path, text)
        assert "used before" in told["error_description"]


@EVERYWHERE
async def test_CA_08_a_jti_is_used_whatever_else_the_next_assertion_says(world: World, path: str) -> None:
    await is_taken(world, path, assertion("cron", jti="one"))
    await is_refused(world, path, assertion("cron", jti="one", exp=T + 200))
    await is_refused(world, path, assertion("cron", jti="one", iat=T - 5, header={"typ": "JWT"}))
    await is_taken(world, path, assertion("cron", jti="One"))
    await let_sign(world, "other")
    await is_taken(world, path, assertion("other", jti="one"))


@EVERYWHERE
async def test_CA_08_two_apps_and_their_ids_never_make_one(world: World, path: str) -> None:
    """`a` with jti `b|c` and `a|b` with jti `c` are two."""
    await let_sign(world, "other")
    await is_taken(world, path, assertion("cron", jti="|x"))
    await is_taken(world, path, assertion("cron", jti="x"))
    await is_taken(world, path, assertion("other", jti="cron|x"))


@EVERYWHERE
async def test_CA_08_what_was_refused_is_still_unused(world: World, path: str) -> None:
    """Nobody can use up an assertion that they cannot make; a refusal for another reason costs nothing either."""
    await is_refused(world, path, assertion("cron", jti="one", sign=OTHER_EC_KEY))
    await is_refused(world, path, assertion("cron", jti="one", exp=T + 600))
    text = assertion("cron", jti="one")
    with no_row(world):
        answer = await ask(world, path, by_assertion(text), {"origin": "https://web.example.test"})
    is_json_error(answer, 400, "invalid_request")
    await let_sign(world, "cron", is_enabled=False)
    await is_refused(world, path, text)
    await let_sign(world, "cron", is_enabled=True)
    await is_taken(world, path, text)


@EVERYWHERE
async def test_CA_08_of_twenty_at_once_one_is_taken(world: World, path: str) -> None:
    form = by_assertion(assertion("cron"))
    answers = await asyncio.gather(*(ask(world, path, form) for _ in range(20)))
    assert sum(is_known(answer) for answer in answers) == 1
    assert sum(answer.status_code == 401 for answer in answers) == 19


async def test_CA_08_an_assertion_is_used_on_every_node_and_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "innkeeper.sqlite"
    store, beside = open_store(file), open_store(file, role="command")
    one = await a_world(store)
    await let_sign(one, "cron")
    another = await a_second_node(one, beside)
    text = assertion("cron")
    assert is_known(await ask(one, "/oauth/token", by_assertion(text)))
    is_json_error(await ask(another, "/oauth/revoke", by_assertion(text)), 401, "invalid_client")
    await beside.close()
    await store.close()
    store = open_store(file)
    again = await a_second_node(one, store)
    is_json_error(await ask(again, "/oauth/token", by_assertion(text)), 401, "invalid_client")
    assert is_known(await ask(again, "/oauth/token", by_assertion(assertion("cron"))))
    await store.close()


async def a_second_node(world: World, store: Any) -> World:
    """Another process on the same database, as far as a test can have one in this process."""
    clock, heard = Clock(), Heard()
    services = await app.open_services(world.services.settings, store, MASTER, clock=clock, events=heard)
    return World(services, clock, heard, FastPasswords(), app.create_app(services), world.issuer)


async def test_CA_08_an_assertion_is_remembered_as_long_as_it_would_be_taken(world: World) -> None:
    text = assertion("cron", exp=T + 310)
    await is_taken(world, "/oauth/token", text)
    [row] = tables(world).assertion_ids.values()
    assert row.expires_at == START.replace(minute=5, second=20)
    for second in (100, 200, 319):
        world.clock.instant = START
        world.clock.advance(seconds=second)
        await world.services.store.purge(now=world.clock.now(), limit=1000)
        answer = await ask(world, "/oauth/token", by_assertion(text))
        is_json_error(answer, 401, "invalid_client")


async def test_CA_08_deciding_again_is_not_a_second_use() -> None:
    """The records move while the request is decided: it is decided again, with the same assertion."""
    store = MemoryStore()
    world = await a_world(store)
    await let_sign(world, "web")
    code = await Visitor(world).code()
    redeem, moves = store.codes.redeem, [2]

    async def redeem_after_a_change(*arguments: Any, **values: Any) -> Any:
        if moves[0]:
            moves[0] -= 1
            await world.change("web", name=f"Web {moves[0]}")
        return await redeem(*arguments, **values)

    store.codes.redeem = redeem_after_a_change  # type: ignore[method-assign]
    form = code_form(code) | by_assertion(assertion("web"))
    answer = await world.http().post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    assert moves == [0]
    again = await world.http().post("/oauth/token", data=form)
    is_json_error(again, 401, "invalid_client")


async def test_CA_08_a_machines_token_costs_one_transition_for_its_assertion_and_none_without(
    world: World,
) -> None:
    counters = world.services.store.counters  # type: ignore[attr-defined]
    await is_taken(world, "/oauth/token", assertion("cron"))
    before = counters.transitions, counters.reads
    await is_taken(world, "/oauth/token", assertion("cron"))
    assert (counters.transitions, counters.reads) == (before[0] + 1, before[1])


# ------------------------------------------------------------ JW: what is no JWT of this app


ALGORITHMS = [
    "none",
    "None",
    "nOnE",
    "NONE",
    "",
    None,
    0,
    [],
    ["ES256"],
    "es256",
    "ES256 ",
    "HS384",
    "ES384",
    "RS512",
]


@EVERYWHERE
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_JW_01_other_algorithms_and_none_are_refused(world: World, path: str, alg: Any) -> None:
    text = assertion("cron", header={"alg": alg})
    await is_refused(world, path, text)
    await is_refused(world, path, text.rpartition(".")[0] + ".")
    await is_refused(world, path, text.rpartition(".")[0])


def public_texts() -> list[bytes]:
    public = serialization.load_der_private_key(EC_PRIVATE, None).public_key()
    encodings = serialization.Encoding
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    pem, der = public.public_bytes(encodings.PEM, info), public.public_bytes(encodings.DER, info)
    ssh = public.public_bytes(encodings.OpenSSH, serialization.PublicFormat.OpenSSH)
    return [pem, pem.strip(), der, ssh, ssh + b"\n", json.dumps(EC_KEY.public_jwk).encode(), a_key().jwk]


@EVERYWHERE
async def test_JW_02_a_public_key_is_never_a_shared_secret(world: World, path: str) -> None:
    for text in public_texts():
        for header in ({"alg": "HS256", "kid": "ec"}, {"alg": "HS256"}):
            await is_refused(world, path, signed(header, claims("cron"), text))
    await let_sign_by_secret(world, "cron", keys=(a_key(),))
    for text in public_texts():
        await is_refused(world, path, signed({"alg": "HS256", "kid": "ec"}, claims("cron"), text))


@EVERYWHERE
async def test_JW_04_a_key_is_for_its_own_algorithm(world: World, path: str) -> None:
    await let_sign(world, "cron", keys=(a_key(RSA_KEY.public_jwk),))
    await is_taken(world, path, assertion("cron", header={"alg": "RS256", "kid": "rsa"}, sign=RSA_KEY))
    await is_refused(
        world, path, assertion("cron", header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private())
    )
    await is_refused(world, path, assertion("cron", header={"alg": "ES256", "kid": "rsa"}))
    await let_sign(world, "cron", keys=(a_key(RSA_PUBLIC),))
    await is_taken(world, path, assertion("cron", header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private()))


@EVERYWHERE
async def test_JW_04_psychic_and_misshapen_signatures_are_refused(world: World, path: str) -> None:
    body = assertion("cron").rpartition(".")[0]
    good = base64url.decode(assertion("cron").rpartition(".")[2])
    private = serialization.load_der_private_key(EC_PRIVATE, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    der = private.sign(body.encode(), ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    bad = [
        bytes(64),
        raw[:32] + bytes(32),
        bytes(32) + raw[32:],
        der,
        raw + b"\0",
        raw[:63],
        b"\xff" * 64,
        good,
    ]
    for signature in bad:
        await is_refused(world, path, f"{body}.{base64url.encode(signature)}")
    await is_taken(world, path, f"{body}.{base64url.encode(raw)}")


@EVERYWHERE
@pytest.mark.parametrize(
    "kid",
    [
        "",
        "EC",
        "ec ",
        "../ec",
        "' OR 1=1 --",
        "https://x.example.test",
        "ec\0",
        "x" * 500,
        None,
        7,
        ["ec"],
        {},
    ],
)
async def test_JW_07_a_name_of_a_key_is_compared_and_nothing_else(world: World, path: str, kid: Any) -> None:
    await is_refused(world, path, assertion("cron", header={"kid": kid}))


@EVERYWHERE
async def test_JW_07_without_a_name_only_a_key_that_is_alone_counts(world: World, path: str) -> None:
    await let_sign(world, "cron", keys=(a_key(), a_key(OTHER_EC_KEY.public_jwk), a_key(RSA_PUBLIC)))
    await is_refused(world, path, assertion("cron", header={"kid": ...}))
    await is_taken(world, path, assertion("cron", header={"kid": ..., "alg": "RS256"}, sign=RSA_KEY))
    clash = dict(OTHER_EC_KEY.public_jwk) | {"kid": "ec"}
    await let_sign(world, "cron", keys=(a_key(), a_key(clash)))
    await is_refused(world, path, assertion("cron"))


@EVERYWHERE
async def test_JW_08_a_key_for_encryption_or_another_algorithm_is_not_used(world: World, path: str) -> None:
    for changes in ({"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["encrypt"]}, {"alg": "ECDH-ES"}):
        await let_sign(world, "cron", keys=(a_key(dict(EC_KEY.public_jwk) | changes),))
        await is_refused(world, path, assertion("cron"))


@EVERYWHERE
@pytest.mark.parametrize(
    "typ", ["at+jwt", "id_token", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", "", None, 7, "JWT "]
)
async def test_JW_10_another_type_is_refused(world: World, path: str, typ: Any) -> None:
    await is_refused(world, path, assertion("cron", header={"typ": typ}))


@EVERYWHERE
async def test_JW_10_our_own_tokens_are_no_assertions(world: World, path: str) -> None:
    answer = await ask(world, "/oauth/token", by_assertion(assertion("cron")))
    access_token = answer.json()["access_token"]
    code = await Visitor(world).code()
    signed_in = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    for text in (access_token, signed_in.json()["id_token"]):
        await is_refused(world, path, text)
    keeps_secrets(world, access_token)


@EVERYWHERE
async def test_JW_14_what_two_parsers_read_in_two_ways_is_refused(world: World, path: str) -> None:
    good = json.dumps(claims("cron")).encode()
    header = {"alg": "ES256", "kid": "ec", "typ": "JWT"}
    bodies = [
        b'{"aud":"x",' + good[1:],
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
        good[:-1] + b',"sub":"web"}',
        good + good,
        b"[" + good + b"]",
        good.replace(b'"exp": ', b'"exp": 1e400, "x": '),
        b'"cron"',
        b"",
        b"{",
    ]
    for body in bodies:
        await is_refused(world, path, signed(header, body))
    await is_refused(world, path, signed(b'{"alg":"ES256","alg":"none","kid":"ec"}', good))
    text = assertion("cron")
    parts = text.split(".")
    whole = json.dumps({"protected": parts[0], "payload": parts[1], "signature": parts[2]})
    for broken in (text + "=", text + "\n", " " + text, text.replace(".", ". "), whole, text[:-1] + "!"):
        answer = await ask(world, path, by_assertion(broken))
        assert answer.status_code in (400, 401), broken
    last = base64url.decode(parts[2])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = alphabet[(alphabet.index(parts[2][-1]) + 1) % 64]
    assert base64.urlsafe_b64decode(parts[2][:-1] + spare + "==")[:63] == last[:63]
    await is_refused(world, path, text[:-1] + spare)
    await is_taken(world, path, text)


@EVERYWHERE
async def test_JW_20_single_bits_count(world: World, path: str) -> None:
    rng, text = random.Random(20), assertion("cron")
    for _ in range(60):
        place, bit = rng.randrange(len(text)), 1 << rng.randrange(7)
        flipped = chr(ord(text[place]) ^ bit)
        changed = text[:place] + flipped + text[place + 1 :]
        with no_row(world):
            answer = await ask(world, path, by_assertion(changed))
        assert answer.status_code in (400, 401), changed
    await is_taken(world, path, text)


# ------------------------------------------------------------ DO: sizes


@EVERYWHERE
async def test_DO_05_shapes_and_sizes_are_refused_before_anything_is_decoded(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        "." * 30_000,
        "a" * 2049,
        assertion("cron", pad="x" * 2000),
        signed({"alg": "ES256", "x": "y" * 3000}, claims("cron")),
        signed({"alg": "ES256", "crit": [str(n) for n in range(1000)]}, claims("cron")),
        "a.b",
        "a.b.c.d.e",
    ]
    decoded: list[bytes] = []
    parse = strict_json.parse_object

    def counted(raw: bytes) -> dict[str, Any]:
        decoded.append(raw)
        return parse(raw)

    monkeypatch.setattr(strict_json, "parse_object", counted)
    for text in texts:
        await is_refused(world, path, text)
    assert decoded == []


@EVERYWHERE
async def test_DO_05_nesting_is_refused(world: World, path: str) -> None:
    deep = b'{"a":' * 100 + b"1" + b"}" * 100
    header = {"alg": "ES256", "kid": "ec"}
    answer = await ask(world, path, by_assertion(signed(header, deep)))
    assert answer.status_code == 401


# ------------------------------------------------------------ R-CA6 and leaks


@EVERYWHERE
async def test_CA_13_an_assertion_from_a_browser_is_refused(world: World, path: str) -> None:
    for make, let in ((assertion, let_sign), (secret_assertion, let_sign_by_secret)):
        await let(world, "cron")
        with no_row(world):
            answer = await ask(
                world, path, by_assertion(make("cron")), {"origin": "https://spa.example.test"}
            )
        is_json_error(answer, 400, "invalid_request")
        assert "access-control-allow-origin" not in answer.headers


@EVERYWHERE
async def test_CA_13_a_public_app_proves_nothing_by_signatures(world: World, path: str) -> None:
    await world.change("spa", keys=(a_key(),), secrets=(a_sealed_secret(world, "spa"),))
    await is_refused(world, path, assertion("spa"))
    await is_refused(world, path, secret_assertion("spa"))


@EVERYWHERE
async def test_CA_01_an_app_that_signs_has_no_secret(world: World, path: str) -> None:
    """Neither way: what is registered for signatures takes no secret, even a good one."""
    await let_sign(world, "cron", secrets=(a_sealed_secret(world, "cron"),))
    for headers, form in ((basic("cron"), {}), ({}, {"client_id": "cron", "client_secret": SECRET})):
        is_json_error(await ask(world, path, form, headers), 401, "invalid_client")
    is_json_error(await ask(world, path, {"client_id": "cron"}), 401, "invalid_client")
    await is_refused(world, path, secret_assertion("cron"))


async def test_CA_05_no_assertion_and_no_secret_is_in_an_event(world: World) -> None:
    good, bad = assertion("cron"), assertion("cron", sign=OTHER_EC_KEY, jti="canary-jti")
    await is_taken(world, "/oauth/token", good)
    await is_refused(world, "/oauth/token", bad)
    await is_refused(world, "/oauth/token", good)
    keeps_secrets(world, good, bad, good.rpartition(".")[2], "canary-jti")
    await still_works(world)


async def test_CA_05_the_reason_is_in_the_log_and_not_in_the_answer(world: World) -> None:
    told = await is_refused(world, "/oauth/token", assertion("cron", sign=OTHER_EC_KEY))
    assert told["error_description"] == client_auth.REFUSED
    assert world.heard.events[-1].detail == (  # type: ignore[attr-defined]
        "signature: the signature does not belong to this token and key"
    )


# ------------------------------------------------------------ CA-11: what time tells


def test_CA_11_a_missing_key_costs_the_same_verification_as_a_wrong_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    check = jose_jwt._check_signature

    def counted(signing_input: bytes, signature: bytes, key: Any, alg: str) -> None:
        done.append(alg)
        check(signing_input, signature, key, alg)

    monkeypatch.setattr(jose_jwt, "_check_signature", counted)
    no_keys = facts(keys=KeySet(()))
    cases: list[tuple[Client | None, Any]] = [
        (a_signing_client("web"), facts()),
        (a_signing_client("web", is_enabled=False), facts()),
        (a_signing_client("web", token_endpoint_auth_method="client_secret_basic", keys=()), no_keys),
        (None, no_keys),
    ]
    for alg, kid, sign in (
        ("ES256", "ec", OTHER_EC_KEY),
        ("RS256", "ec", RSA_KEY),
        ("EdDSA", "no", b"k" * 32),
    ):
        costs = set()
        for client, given in cases:
            for name in (kid, "unknown", ...):
                text = assertion("web", header={"alg": alg, "kid": name}, sign=sign)
                presented = client_auth.identify([], _form(text))
                done.clear()
                with pytest.raises(InvalidClient):
                    client_auth.verify(presented, client, given, origin=None)
                costs.add(tuple(done))
        assert costs == {(alg,)}


def test_CA_11_a_missing_secret_costs_as_many_macs_as_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def counted(key: bytes, data: bytes) -> bytes:
        done.append("mac")
        return hmac_sha256(key, data)

    monkeypatch.setattr(jose_jwt, "hmac_sha256", counted)
    client = a_signing_client("web", token_endpoint_auth_method="client_secret_jwt")
    for known, secrets in (
        (client, (b"x" * 32,)),
        (client, (b"x" * 32, b"y" * 32)),
        (client, ()),
        (None, ()),
    ):
        presented = client_auth.identify([], _form(secret_assertion("web")))
        done.clear()
        with pytest.raises(InvalidClient):
            client_auth.verify(presented, known, facts(secrets=secrets), origin=None)
        assert done == ["mac", "mac"]


def _form(text: str) -> Any:
    return Parameters.from_pairs(by_assertion(text).items())


def test_CA_11_the_stand_ins_are_sound_keys_of_every_algorithm() -> None:
    for alg in KEY_ALGORITHMS:
        key = STAND_INS.only(alg)
        assert key is not None and key.loaded() is not None
        assert jwk.from_pem_or_jwk(json.dumps(key.jwk).encode())
