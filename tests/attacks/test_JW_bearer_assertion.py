"""JWT bearer (RFC 7523 §2.1): attacks on what another issuer says about a person, and what a good one gives."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace

from innkeeper.jose import base64url, strict_json
from innkeeper.oauth.scope import Scope
from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.flows.administer import issuers
from innkeeper.server.flows.administer.issuers import IssuerChanges
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    ClientId,
    DirectoryName,
    GrantId,
    IssuerName,
    Subject,
)
from innkeeper.server.protocol.bearer_assertion import MAX_CHARS
from innkeeper.server.protocol.grants.jwt_bearer import REFUSED, JwtBearer
from innkeeper.server.storage.sqlite.store import open_store
from tests.assertions import (
    EC_KEY,
    OTHER_EC_KEY,
    RSA_KEY,
    RSA_PUBLIC,
    T,
    a_key,
    assertion,
    by_assertion,
    claims,
    rsa_private,
    signed,
)
from tests.attacks.oracles import is_json_error, keeps_secrets, no_row, still_works
from tests.attacks.test_CA_assertions import ALGORITHMS, WRONG_CLAIMS, public_texts
from tests.attacks.token_requests import FOR_API, tables, tokens
from tests.world import ISSUER, MASTER, PAYROLL, TIMESHEETS, World, a_client, a_user, a_world, basic

pytestmark = pytest.mark.anyio
PARTNER = "https://partner.example.test"
NAME = JwtBearer.name
ERIN = Subject("ik|erin")
READ = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),)


def a_bridge(client_id: str = "bridge", **changes: Any) -> Any:
    known: dict[str, Any] = {
        "type": "m2m",
        "redirect_uris": (),
        "response_types": (),
        "grant_types": (NAME,),
    }
    return a_client(client_id, **(known | changes))


BRIDGES = (
    a_bridge(),
    a_bridge("second"),
    a_bridge("unnamed"),
    a_bridge("without-the-grant", grant_types=("client_credentials",)),
)


async def a_trusting_world(**settings: Any) -> World:
    """`bridge` and `second` may bring assertions of PARTNER, signed by the key `ec`, about user ids."""
    world = await a_world(extra_clients=BRIDGES, **settings)
    await trust(world)
    return world


async def trust(world: World, name: str = PARTNER, **changes: Any) -> None:
    given: dict[str, Any] = {"add_keys": (a_key(),), "apps": ("bridge", "second", "without-the-grant")}
    await issuers.create(world.services, name, IssuerChanges(**(given | changes)))
    await world.services.registry.refresh()


async def changed(world: World, name: str = PARTNER, **changes: Any) -> None:
    await issuers.change(world.services, name, IssuerChanges(**changes))
    await world.services.registry.refresh()


@pytest.fixture
async def world() -> World:
    return await a_trusting_world()


def statement(subject: Any = ERIN, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Of PARTNER about erin, but for what is changed; `...` leaves a claim out."""
    good: dict[str, Any] = {"alg": "ES256", "kid": "ec", "typ": "JWT"}
    head = {name: value for name, value in (good | (header or {})).items() if value is not ...}
    sign, client_id = changes.pop("sign", EC_KEY), changes.pop("client_id", ...)
    said = claims(PARTNER, **({"sub": subject} | changes))
    return signed(head, said if client_id is ... else said | {"client_id": client_id}, sign)


async def bring(
    world: World, text: str, client_id: str = "bridge", headers: dict[str, str] | None = None, **changes: Any
) -> httpx2.Response:
    form = {"grant_type": NAME, "assertion": text, "audience": TIMESHEETS, **changes}
    sent = {name: value for name, value in form.items() if value is not None}
    return await world.http().post("/oauth/token", data=sent, headers=basic(client_id) | (headers or {}))


async def is_refused(world: World, text: str, client_id: str = "bridge", **changes: Any) -> None:
    """400 invalid_grant with the one text, no row, and the assertion is still unused."""
    with no_row(world):
        answer = await bring(world, text, client_id, **changes)
    told = is_json_error(answer, 400, "invalid_grant")
    assert told["error_description"] == REFUSED.replace('"', "'")


async def is_taken(world: World, text: str, client_id: str = "bridge", **changes: Any) -> dict[str, Any]:
    answer = await bring(world, text, client_id, **changes)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


def payload(token: str) -> dict[str, Any]:
    return dict(strict_json.parse_object(base64url.decode(token.split(".")[1])))


async def introspected(world: World, token: str) -> dict[str, Any]:
    answer = await world.http().post("/oauth/introspect", data={"token": token}, headers=basic("bridge"))
    told: dict[str, Any] = answer.json()
    return told


async def set_api(world: World, api: ApiIdentifier = TIMESHEETS, **changes: Any) -> None:
    known = await world.services.store.apis.get(api)
    assert known is not None
    await world.services.store.apis.replace(replace(known, **changes), events=())
    await world.services.registry.refresh()


# ------------------------------------------------------------ what a good one gives


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_JW_00_a_trusted_statement_gives_an_access_token_and_nothing_else(
    world: World, token_format: str
) -> None:
    await set_api(world, token_format=token_format)
    answered = await is_taken(world, statement(), scope="read:timesheets approve:timesheets")
    assert set(answered) == {"access_token", "token_type", "expires_in", "scope"}
    # Employees may not approve: the person's own permissions bound it.
    assert answered["scope"] == "read:timesheets"
    told = await introspected(world, answered["access_token"])
    assert told["active"] is True and told["sub"] == ERIN and told["client_id"] == "bridge"
    # Nobody said when erin signed in, so nobody is told.
    assert "auth_time" not in told and "acr" not in told
    [event] = [event for event in world.heard.events if event.type == "grant.opened"]
    assert event.asserted_by == PARTNER  # type: ignore[attr-defined]


@pytest.mark.parametrize("typ", ["JWT", "jwt", "application/jwt", "oauth-id-jag+jwt", ...])
async def test_JW_00_the_types_of_such_statements_are_taken(world: World, typ: Any) -> None:
    await is_taken(world, statement(header={"typ": typ}))
    await is_taken(world, statement(header={"typ": typ}), resource=TIMESHEETS, audience=None)


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_when_the_person_signed_in_is_told_as_the_issuer_told_it(
    world: World, token_format: str
) -> None:
    await set_api(world, token_format=token_format)
    answered = await is_taken(world, statement(auth_time=T - 7200))
    assert (await introspected(world, answered["access_token"]))["auth_time"] == T - 7200


@pytest.mark.parametrize("auth_time", [T + 11, str(T), T + 0.5, True, None, -1, 10**30])
async def test_JW_11_an_impossible_sign_in_is_refused(world: World, auth_time: Any) -> None:
    await is_refused(world, statement(auth_time=auth_time))


async def test_without_scope_the_defaults_of_the_api_are_meant(world: World) -> None:
    await set_api(world, default_scope=("create:timesheets", "approve:timesheets"))
    assert (await is_taken(world, statement()))["scope"] == "create:timesheets"


# ------------------------------------------------------------ who may bring it, and for what


async def test_TX_02_only_an_app_that_the_issuer_names_may_bring_it(world: World) -> None:
    await is_taken(world, statement(), "second")
    await is_refused(world, statement(), "unnamed")
    with no_row(world):
        is_json_error(await bring(world, statement(), "without-the-grant"), 400, "unauthorized_client")
        is_json_error(await bring(world, statement(), "web"), 400, "unauthorized_client")
    await changed(world, apps=())
    await is_refused(world, statement())


async def test_TX_02_a_later_app_of_the_same_name_is_another_one(world: World) -> None:
    await world.services.store.clients.delete(ClientId("bridge"), events=())
    world.clock.advance(seconds=1)
    later = a_bridge(created_at=world.clock.now())
    await world.services.store.clients.create(later, events=())
    await world.services.registry.refresh()
    await is_refused(world, statement())
    await changed(world, apps=("bridge",))
    await is_taken(world, statement())


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint_auth_method": "none", "secrets": (), "type": "native"},
        {
            "is_first_party": False,
            "publisher": "X",
            "api_grants": (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),),
        },
    ],
    ids=["public", "third party"],
)
async def test_TX_02_no_public_and_no_foreign_app_brings_statements(
    world: World, changes: dict[str, Any]
) -> None:
    """Whatever its record says by now."""
    await world.change("bridge", **changes)
    text = statement()
    headers = {} if "secrets" in changes else basic("bridge")
    form = {"grant_type": NAME, "assertion": text, "audience": TIMESHEETS, "client_id": "bridge"}
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("unauthorized_client", "invalid_grant")


async def test_TX_02_the_api_has_to_let_it_happen(world: World) -> None:
    text = statement()
    with no_row(world):
        is_json_error(await bring(world, text, audience=None), 400, "invalid_target")
        is_json_error(await bring(world, text, audience="https://nowhere.test"), 400, "invalid_target")
    await set_api(world, skip_consent=False)
    with no_row(world):
        is_json_error(await bring(world, text), 400, "invalid_target")
    for access in ("none", "per_app"):
        await set_api(world, skip_consent=True, user_access=access)
        with no_row(world):
            is_json_error(await bring(world, text), 400, "invalid_target")
    await world.change("bridge", api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),))
    answered = await is_taken(world, text, scope="read:timesheets create:timesheets")
    assert answered["scope"] == "read:timesheets"


@pytest.mark.parametrize(
    "scope", ["openid", "offline_access", "openid offline_access read:timesheets", "profile"]
)
async def test_TX_02_no_identity_and_no_refresh_token_can_be_had(world: World, scope: str) -> None:
    await world.change("bridge", grant_types=(NAME, "refresh_token"))
    with no_row(world):
        is_json_error(await bring(world, statement(), scope=scope), 400, "invalid_scope")
    # Nor by the API's defaults.
    await set_api(world, default_scope=("read:timesheets", "offline_access"))
    answered = await is_taken(world, statement())
    assert "refresh_token" not in answered and "offline_access" not in answered["scope"]


async def test_TX_02_a_statement_for_another_app_is_not_brought_by_this_one(world: World) -> None:
    for client_id in ("second", "", 7, None, ["bridge"]):
        await is_refused(world, statement(client_id=client_id))
    await is_taken(world, statement(client_id="bridge"))


async def test_JW_00_a_missing_assertion_is_a_bad_request(world: World) -> None:
    with no_row(world):
        is_json_error(await bring(world, "", assertion=None), 400, "invalid_request")


# ------------------------------------------------------------ what it says


NOT_WRONG_HERE = {"iss is another app", "aud is the app"}
WRONG = {name: changes for name, changes in WRONG_CLAIMS.items() if name not in NOT_WRONG_HERE} | {
    "iss is another issuer": {"iss": "https://other.example.test"},
    "iss with a slash": {"iss": PARTNER + "/"},
    "iss in upper case": {"iss": PARTNER.upper()},
    "iss is null": {"iss": None},
    "aud is the app": {"aud": "bridge"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
async def test_JW_11_13_what_a_good_signature_cannot_heal(world: World, changes: dict[str, Any]) -> None:
    await is_refused(world, statement(**changes))


@pytest.mark.parametrize(
    "sub", [..., "", 7, None, [ERIN], "nobody", "ik|nobody", "erin", "erin@example.test", "ik|erin ", "IK|ERIN",
            "ik|erin\0", "\ud800", "x" * 300, "ik|carol"]
)  # fmt: skip
async def test_JW_16_a_subject_that_is_nobody_is_refused(world: World, sub: Any) -> None:
    await is_refused(world, statement(sub))


async def test_JW_11_the_edges_of_the_clock_are_ten_seconds_wide(world: World) -> None:
    edges: list[dict[str, Any]] = [
        {"exp": T - 9},
        {"exp": T + 310},
        {"iat": T + 10, "nbf": T + 10},
        {"iat": T - 310},
    ]
    for good in edges:
        await is_taken(world, statement(**good))
    await is_taken(world, statement(iat=...))
    world.clock.advance(hours=1)
    await is_refused(world, statement())


# ------------------------------------------------------------ who it is about


async def test_JW_16_an_address_counts_when_it_was_verified_to_be_theirs(world: World) -> None:
    await changed(world, subject_is="email")
    await is_taken(world, statement("erin@example.test"))
    await is_taken(world, statement("ERIN@Example.test"))
    await world.change_user("erin", email_verified=False)
    for sub in ("erin@example.test", "erin", ERIN, "+12025550100"):
        await is_refused(world, statement(sub))


async def test_JW_16_a_name_counts_as_a_name_alone(world: World) -> None:
    await changed(world, subject_is="username")
    await is_taken(world, statement("erin"))
    for sub in ("erin@example.test", "+12025550100", ERIN, "default:erin"):
        await is_refused(world, statement(sub))


@pytest.mark.parametrize("subject_is", ["user_id", "email", "username"])
async def test_JW_16_an_issuer_speaks_of_the_people_of_its_directory_alone(
    world: World, subject_is: Any
) -> None:
    contractors = DirectoryName("contractors")
    await world.services.store.directories.create(Directory(name=contractors, label="Contractors"), events=())
    sub = {"user_id": ERIN, "email": "erin@example.test", "username": "erin"}[subject_is]
    await changed(world, subject_is=subject_is)
    await is_taken(world, statement(sub))
    await changed(world, directory="contractors")
    await is_refused(world, statement(sub))


async def test_JW_16_who_is_disabled_or_gone_gets_nothing(world: World) -> None:
    await world.change_user("erin", is_enabled=False)
    await is_refused(world, statement())
    await world.services.store.users.delete(ERIN, events=())
    await is_refused(world, statement())


async def test_TX_01_what_came_of_it_ends_with_the_person_the_app_and_the_grant(world: World) -> None:
    token = (await is_taken(world, statement()))["access_token"]
    assert (await introspected(world, token))["active"] is True
    grant_id = GrantId(payload(token)["jti"].split(".")[0])
    await world.services.store.grants.revoke(grant_id, now=world.clock.now(), events=())
    assert await introspected(world, token) == {"active": False}
    token = (await is_taken(world, statement()))["access_token"]
    await world.change_user("erin", epoch=2)
    assert await introspected(world, token) == {"active": False}


# ------------------------------------------------------------ once


async def test_CA_08_a_statement_is_good_once(world: World) -> None:
    text = statement(jti="one")
    await is_taken(world, text)
    await is_refused(world, text)
    await is_refused(world, text, "second")
    await is_refused(world, statement(jti="one", exp=T + 120))
    assert "assertion replayed" in [getattr(event, "detail", None) for event in world.heard.events]


async def test_CA_08_what_was_refused_is_still_unused(world: World) -> None:
    text = statement()
    await is_refused(world, text, "unnamed")
    is_json_error(await bring(world, text, scope="openid"), 400, "invalid_scope")
    is_json_error(await bring(world, text, audience=None), 400, "invalid_target")
    answer = await world.http().post(
        "/oauth/token",
        data={"grant_type": NAME, "assertion": text, "audience": TIMESHEETS},
        headers=basic("bridge", "wrong"),
    )
    is_json_error(answer, 401, "invalid_client")
    await is_taken(world, text)


async def test_CA_08_the_ids_of_two_issuers_and_of_apps_never_make_one(world: World) -> None:
    other = PARTNER + "|1"
    await trust(world, other)
    await is_taken(world, statement(jti="2|x"))
    await is_taken(world, statement(jti="x", iss=other))
    await is_taken(world, statement(jti="x"))
    await world.change("second", token_endpoint_auth_method="private_key_jwt", secrets=(), keys=(a_key(),))
    form = {"grant_type": NAME, "assertion": statement(jti="y"), "audience": TIMESHEETS}
    answer = await world.http().post("/oauth/token", data=form | by_assertion(assertion("second", jti="y")))
    assert answer.status_code == 200, answer.text


async def test_CA_08_of_twenty_at_once_one_is_taken(world: World) -> None:
    text = statement()
    answers = await asyncio.gather(*(bring(world, text) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}
    assert len(tables(world).grants) == 1


async def test_CA_08_a_statement_is_used_on_every_node_and_after_a_restart(tmp_path: Path) -> None:
    path, text = tmp_path / "innkeeper.sqlite", statement()
    store = open_store(path)
    world = await a_world(store, extra_clients=BRIDGES)
    await trust(world)
    assert (await bring(world, text)).status_code == 200
    is_json_error(await bring(world, text), 400, "invalid_grant")
    await store.close()
    again = open_store(path)
    services = await app.open_services(
        Settings(issuer=ISSUER), again, MASTER, clock=world.clock, events=world.heard
    )
    world.asgi = app.create_app(services)
    is_json_error(await bring(world, text), 400, "invalid_grant")
    assert (await bring(world, statement())).status_code == 200
    await again.close()


async def test_CA_08_it_is_one_transition_and_a_moved_issuer_is_looked_at_again(world: World) -> None:
    counters = world.services.store.counters  # type: ignore[attr-defined]
    before = counters.transitions
    await is_taken(world, statement())
    assert counters.transitions == before + 1
    # Changed where this server has not noticed: it decides again, and the key that was taken away is no key.
    await issuers.change(
        world.services,
        PARTNER,
        IssuerChanges(add_keys=(a_key(OTHER_EC_KEY.public_jwk),), remove_keys=("ec",)),
    )
    answer = await bring(world, statement())
    is_json_error(answer, 400, "invalid_grant")
    await is_taken(world, statement(header={"kid": "other"}, sign=OTHER_EC_KEY))


async def test_an_issuer_that_was_deleted_is_believed_no_more(world: World) -> None:
    await issuers.delete(world.services, PARTNER)
    is_json_error(await bring(world, statement()), 400, "invalid_grant")
    await is_refused(world, statement())


# ------------------------------------------------------------ signatures and shapes


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_JW_01_other_algorithms_and_none_are_refused(world: World, alg: Any) -> None:
    text = statement(header={"alg": alg})
    for shape in (text, text.rpartition(".")[0] + ".", text.rpartition(".")[0]):
        await is_refused(world, shape)


async def test_JW_02_a_public_key_is_never_a_shared_secret(world: World) -> None:
    about = claims(PARTNER, sub=ERIN)
    for text in public_texts():
        for header in ({"alg": "HS256", "kid": "ec"}, {"alg": "HS256"}):
            await is_refused(world, signed(header, about, text))


async def test_JW_04_a_key_is_for_its_own_algorithm(world: World) -> None:
    await changed(world, add_keys=(a_key(RSA_KEY.public_jwk),), remove_keys=("ec",))
    await is_taken(world, statement(header={"alg": "RS256", "kid": "rsa"}, sign=RSA_KEY))
    await is_refused(world, statement(header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private()))
    await is_refused(world, statement(header={"alg": "ES256", "kid": "rsa"}))
    await changed(world, add_keys=(a_key(RSA_PUBLIC),))
    await is_taken(world, statement(header={"alg": "PS256", "kid": "rsa"}, sign=rsa_private()))


async def test_JW_04_psychic_and_misshapen_signatures_are_refused(world: World) -> None:
    body, good = statement().rpartition(".")[0], base64url.decode(statement().rpartition(".")[2])
    for signature in (
        bytes(64),
        good[:32] + bytes(32),
        bytes(32) + good[32:],
        good + b"\0",
        b"\xff" * 64,
        good,
    ):
        await is_refused(world, f"{body}.{base64url.encode(signature)}")


async def test_JW_05_no_header_leads_to_another_key(world: World) -> None:
    canary = "https://attacker.example.test/keys"
    for header in ({"jku": canary}, {"x5u": canary}, {"jwk": OTHER_EC_KEY.public_jwk}, {"x5c": ["MIIB"]}):
        await is_refused(world, statement(header=header, sign=OTHER_EC_KEY))


@pytest.mark.parametrize(
    "kid", ["", "EC", "ec ", "../ec", "' OR 1=1 --", "ec\0", "x" * 500, None, 7, ["ec"], {}]
)
async def test_JW_07_a_name_of_a_key_is_compared_and_nothing_else(world: World, kid: Any) -> None:
    await is_refused(world, statement(header={"kid": kid}))


async def test_JW_07_the_key_of_another_issuer_or_app_proves_nothing(world: World) -> None:
    other = "https://other.example.test"
    await trust(world, other, add_keys=(a_key(OTHER_EC_KEY.public_jwk),))
    await world.change("bridge", keys=(a_key(OTHER_EC_KEY.public_jwk),))
    await is_refused(world, statement(header={"kid": "other"}, sign=OTHER_EC_KEY))
    await is_refused(world, statement(iss=other))
    await is_taken(world, statement(iss=other, header={"kid": "other"}, sign=OTHER_EC_KEY))


async def test_JW_08_a_key_that_has_ended_or_is_for_something_else_is_not_used(world: World) -> None:
    for changes in ({"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["encrypt"]}):
        record = world.services.registry.snapshot.trusted_issuers[IssuerName(PARTNER)]
        stored = await world.services.store.trusted_issuers.get(record.issuer)
        assert stored is not None
        odd = replace(stored, keys=(a_key(dict(EC_KEY.public_jwk) | changes),))
        await world.services.store.trusted_issuers.replace(odd, events=())
        await world.services.registry.refresh()
        await is_refused(world, statement())
    await changed(world, add_keys=(a_key(expires_at=world.clock.now()),))
    await is_refused(world, statement())


@pytest.mark.parametrize(
    "typ",
    [
        "at+jwt",
        "id_token",
        "logout+jwt",
        "dpop+jwt",
        "client-authentication+jwt",
        "secevent+jwt",
        "",
        None,
        7,
    ],
)
async def test_JW_10_another_type_is_refused(world: World, typ: Any) -> None:
    await is_refused(world, statement(header={"typ": typ}))


async def test_JW_10_our_own_tokens_are_no_statements(world: World) -> None:
    answered = await tokens(world, **FOR_API)
    for text in (answered["access_token"], answered["id_token"], assertion("bridge"), "ik_at_x", "x"):
        await is_refused(world, text)
    with pytest.raises(Refused, match="own issuer"):
        await trust(world, ISSUER)


async def test_JW_10_a_statement_is_no_proof_of_an_app(world: World) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS} | by_assertion(statement())
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form)
    is_json_error(answer, 401, "invalid_client")


async def test_JW_14_what_two_parsers_read_in_two_ways_is_refused(world: World) -> None:
    good = json.dumps(claims(PARTNER, sub=ERIN)).encode()
    header = {"alg": "ES256", "kid": "ec", "typ": "JWT"}
    bodies = [
        b'{"aud":"x",' + good[1:],
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
        good[:-1] + b',"sub":"ik|mona"}',
        good + good,
        b"[" + good + b"]",
        good.replace(b'"exp": ', b'"exp": 1e400, "x": '),
        b"",
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ]
    for body in bodies:
        await is_refused(world, signed(header, body))
    text = statement()
    for broken in (text + "=", " " + text, text.replace(".", ". "), text[:-1] + "!"):
        await is_refused(world, broken)
    await is_taken(world, text)


async def test_JW_20_single_bits_count(world: World) -> None:
    rng, text = random.Random(7), statement()
    for _ in range(60):
        place, bit = rng.randrange(len(text)), 1 << rng.randrange(7)
        changed_text = text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :]
        with no_row(world):
            assert (await bring(world, changed_text)).status_code == 400
    await is_taken(world, text)


async def test_DO_05_sizes_are_refused_before_anything_is_decoded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["." * 30_000, "a" * (MAX_CHARS + 1), statement(pad="x" * MAX_CHARS), "a.b", "a.b.c.d.e"]
    decoded: list[bytes] = []
    parse = strict_json.parse_object

    def counted(raw: bytes) -> dict[str, Any]:
        decoded.append(raw)
        return parse(raw)

    monkeypatch.setattr(strict_json, "parse_object", counted)
    for text in texts:
        await is_refused(world, text)
    assert decoded == []


async def test_DO_14_keys_are_asked_for_where_the_issuer_has_them_once_per_pause() -> None:
    asked: list[str] = []

    async def read(url: str) -> bytes:
        asked.append(url)
        return json.dumps({"keys": [OTHER_EC_KEY.public_jwk]}).encode()

    world = await a_trusting_world(read_document=read)
    await changed(world, jwks_uri="https://partner.example.test/keys")
    await is_taken(world, statement())
    # Whatever is wrong before the signature asks nobody.
    for text in (statement(aud="x", header={"kid": "new"}), statement(header={"alg": "HS256", "kid": "new"})):
        await is_refused(world, text)
    await is_refused(world, statement(header={"kid": "new"}), "unnamed")
    assert asked == []
    await is_taken(world, statement(header={"kid": "other"}, sign=OTHER_EC_KEY))
    for number in range(20):
        await is_refused(world, statement(header={"kid": f"new-{number}"}))
    assert len(asked) <= 2


# ------------------------------------------------------------ leaks


async def test_LK_01_no_statement_is_in_an_event_and_the_reason_is_in_the_log_alone(world: World) -> None:
    good, bad = statement(), statement(sign=OTHER_EC_KEY, jti="canary-jti")
    await is_taken(world, good)
    await is_refused(world, bad)
    await is_refused(world, statement("ik|nobody"))
    keeps_secrets(world, good, bad, good.rpartition(".")[2], "canary-jti")
    details = [getattr(event, "detail", None) for event in world.heard.events]
    assert "sub is nobody known" in details
    await still_works(world)


async def test_CA_13_from_a_browser_it_is_refused(world: World) -> None:
    with no_row(world):
        answer = await bring(world, statement(), headers={"origin": "https://spa.example.test"})
    is_json_error(answer, 400, "invalid_request")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_statement_about_one_person_never_finds_another(world: World) -> None:
    """Whoever calls themselves like somebody's id is not that somebody."""
    odd = replace(a_user("sly"), username="ik|erin")
    await world.services.store.users.create(odd, identifiers=("sly", "ik|erin"), password=None, events=())
    token = (await is_taken(world, statement()))["access_token"]
    assert payload(token)["sub"] == ERIN
    assert Scope.parse(payload(token)["scope"]) == Scope(())
    assert payload(token)["aud"] == TIMESHEETS and PAYROLL not in payload(token)["aud"]
