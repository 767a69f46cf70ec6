"""Attacks on an API behind the guard for JWTs: the RS cases, and the JW cases of what an API must refuse."""

from __future__ import annotations

import base64
import hmac
import json
import random
from typing import Any

import pytest

from innkeeper.jose import base64url, jwk
from innkeeper.resource_server import (
    Guard,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    TokenRequired,
)
from tests.stand_in_issuer import ISSUER, NOON, TIMESHEETS, StandInIssuer, a_key

READ = "read:timesheets"


@pytest.fixture
def issuer() -> StandInIssuer:
    return StandInIssuer()


@pytest.fixture
def guard(issuer: StandInIssuer) -> Guard:
    return issuer.guard()


async def refusal_of(guard: Guard, token: str) -> OAuthError:
    with pytest.raises(InvalidToken) as refused:
        await guard.check([f"Bearer {token}"], scope=READ)
    return refused.value


def encoded(value: Any) -> str:
    return base64url.encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def with_header(token: str, key: jwk.SigningKey | None = None, **members: Any) -> str:
    """The token under another header, signed anew with `key` where one is given."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(base64url.decode(header)), **members}
    signing_input = f"{encoded(changed)}.{payload}"
    if key is not None:
        signature = base64url.encode(key.sign_raw(signing_input.encode()))
    return f"{signing_input}.{signature}"


# ------------------------------------------------------------ RS: credentials


@pytest.mark.parametrize("headers", [[], ["Basic ZXJpbjpwYXNz"], ["Token abc"], ["Bear er abc"], [""]])
async def test_RS_01_no_token_or_another_scheme_is_asked_for_a_token(
    guard: Guard, headers: list[str]
) -> None:
    with pytest.raises(TokenRequired):
        await guard.check(headers, scope=READ)


async def test_RS_01_two_headers_are_refused_though_both_are_good(
    issuer: StandInIssuer, guard: Guard
) -> None:
    with pytest.raises(InvalidRequest):
        await guard.check(issuer.bearer() * 2, scope=READ)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Bearer \u00e4"])
async def test_RS_01_malformed_credentials_are_refused(guard: Guard, header: str) -> None:
    with pytest.raises(InvalidRequest):
        await guard.check([header], scope=READ)


async def test_RS_01_a_token_in_the_query_is_refused(issuer: StandInIssuer, guard: Guard) -> None:
    with pytest.raises(InvalidRequest):
        await guard.check([], scope=READ, query_string=b"access_token=" + issuer.token().encode())


# ------------------------------------------------------------ RS: audience, scope, kind of token


@pytest.mark.parametrize(
    "audience",
    [
        "https://api.exampleco.test/payroll",
        ["https://api.exampleco.test/payroll", f"{ISSUER}/userinfo"],
        TIMESHEETS + "/",
        TIMESHEETS.upper(),
        TIMESHEETS[:-1],
        "",
        [],
        [[TIMESHEETS]],
        {TIMESHEETS: True},
        None,
    ],
)
async def test_RS_02_a_token_for_another_api_is_refused(
    issuer: StandInIssuer, guard: Guard, audience: Any
) -> None:
    await refusal_of(guard, issuer.token(aud=audience))


async def test_RS_02_a_token_for_this_api_among_others_is_accepted(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer(aud=[f"{ISSUER}/userinfo", TIMESHEETS]), scope=READ)


@pytest.mark.parametrize(
    "scope",
    [
        "read:timesheets2",
        "read:timesheetsX read:timesheet",
        "xread:timesheets",
        "read:timesheets:own",
        "READ:TIMESHEETS",
        "Read:Timesheets",
        "read:*",
        "*",
        "read",
        "",
        "read:timesheets,create:timesheets",
        "read:timesheets;x",
    ],
)
async def test_RS_04_a_scope_that_only_resembles_the_needed_one_is_not_it(
    issuer: StandInIssuer, guard: Guard, scope: str
) -> None:
    with pytest.raises(InsufficientScope):
        await guard.check(issuer.bearer(scope), scope=READ)


@pytest.mark.parametrize(
    "scope",
    [
        ["read:timesheets"],
        {"read:timesheets": True},
        None,
        True,
        "openid\tread:timesheets",
        "openid\nread:timesheets",
    ],
)
async def test_RS_04_a_scope_claim_that_is_no_scope_makes_no_token(
    issuer: StandInIssuer, guard: Guard, scope: Any
) -> None:
    await refusal_of(guard, issuer.token(scope))


@pytest.mark.parametrize(
    "kind",
    [
        "JWT",
        "id_token",
        "rt+jwt",
        "logout+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "at",
        "",
    ],
)
async def test_RS_07_a_token_of_another_kind_is_refused_even_with_our_audience(
    issuer: StandInIssuer, guard: Guard, kind: str
) -> None:
    await refusal_of(guard, issuer.token(typ=kind))


async def test_RS_07_an_id_token_for_an_app_named_like_the_api_is_refused(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await refusal_of(
        guard, issuer.token(typ="JWT", nonce="n", aud=TIMESHEETS, without=("scope", "client_id"))
    )


@pytest.mark.parametrize("token", ["ik_rt_AAAA", "ik_at_AAAA", "a.b", "a.b.c.d", "....", "a" * 20_000])
async def test_RS_07_what_is_no_jwt_is_refused(guard: Guard, token: str) -> None:
    with pytest.raises((InvalidToken, InvalidRequest)):
        await guard.check([f"Bearer {token}"], scope=READ)


async def test_RS_08_one_sub_at_two_issuers_is_two_people(issuer: StandInIssuer, guard: Guard) -> None:
    other = StandInIssuer("https://id.elsewhere.test")
    here = await guard.check(issuer.bearer())
    there = await other.guard().check(other.bearer())
    assert here.subject == there.subject
    assert here.identity != there.identity


# ------------------------------------------------------------ RS: random key names


async def test_RS_14_a_storm_of_random_key_names_makes_one_fetch_and_hurts_no_valid_token(
    issuer: StandInIssuer, guard: Guard
) -> None:
    good = issuer.bearer()
    await guard.check(good, scope=READ)
    issuer.passes(seconds=30)
    fetches = issuer.jwks_fetches
    for number in range(1000):
        await refusal_of(guard, with_header(issuer.token(), kid=f"random-{number}"))
        if number % 100 == 0:
            await guard.check(good, scope=READ)
    assert issuer.jwks_fetches == fetches + 1
    issuer.passes(seconds=29)
    await refusal_of(guard, with_header(issuer.token(), kid="one more"))
    assert issuer.jwks_fetches == fetches + 1


async def test_RS_14_a_storm_during_an_outage_hurts_no_valid_token(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer(), scope=READ)
    issuer.is_down = True
    issuer.passes(seconds=30)
    asked = len(issuer.asked)
    for number in range(200):
        await refusal_of(guard, with_header(issuer.token(), kid=f"random-{number}"))
        await guard.check(issuer.bearer(jti=f"grant.{number}"), scope=READ)
    assert len(issuer.asked) <= asked + 1


# ------------------------------------------------------------ JW: the acceptance set, at a resource server


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", None, 7, ["ES256"]])
async def test_JW_01_no_token_without_a_signature(issuer: StandInIssuer, guard: Guard, alg: Any) -> None:
    token = with_header(issuer.token(), alg=alg)
    unsigned = token.rpartition(".")[0]
    for attempt in (token, unsigned, unsigned + "."):
        await refusal_of(guard, attempt)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_JW_02_a_public_key_is_no_shared_secret(issuer: StandInIssuer, guard: Guard, alg: str) -> None:
    issuer.keys = [a_key("rsa", "RS256"), a_key("one")]
    for key in issuer.keys:
        public = json.dumps(key.public_jwk).encode()
        for secret in (public, public + b"\n", key.public_jwk["kid"].encode(), b""):
            header = encoded({"alg": alg, "typ": "at+jwt", "kid": key.kid})
            signing_input = f"{header}.{issuer.token().split('.')[1]}"
            digest = f"sha{alg[2:]}"
            mac = hmac.new(secret, signing_input.encode(), digest).digest()
            await refusal_of(guard, f"{signing_input}.{base64url.encode(mac)}")


async def test_JW_04_a_key_verifies_its_own_algorithm_only(issuer: StandInIssuer, guard: Guard) -> None:
    issuer.keys = [a_key("one"), a_key("rsa", "RS256")]
    for key, others in (
        (issuer.keys[0], ("RS256", "ES384", "ES512", "PS256")),
        (issuer.keys[1], ("ES256", "PS256")),
    ):
        for alg in others:
            await refusal_of(guard, with_header(issuer.token(key=key), key, alg=alg))


@pytest.mark.parametrize("signature", [bytes(64), b"\1" * 63, b"\1" * 65, b"\xff" * 64, b"\1" + bytes(63)])
async def test_JW_04_impossible_ecdsa_signatures_are_refused(
    issuer: StandInIssuer, guard: Guard, signature: bytes
) -> None:
    signing_input = issuer.token().rpartition(".")[0]
    await refusal_of(guard, f"{signing_input}.{base64url.encode(signature)}")


async def test_JW_05_a_key_in_the_header_is_never_used(issuer: StandInIssuer, guard: Guard) -> None:
    stranger = a_key("of a stranger")
    await refusal_of(guard, with_header(issuer.token(), stranger, jwk=stranger.public_jwk))
    await guard.check(issuer.bearer())
    asked = len(issuer.asked)
    for member in ("jku", "x5u"):
        await refusal_of(guard, with_header(issuer.token(), stranger, **{member: "http://127.0.0.1:1/keys"}))
    assert len(issuer.asked) == asked


@pytest.mark.parametrize(
    "kid",
    [
        "../../dev/null",
        "' OR 1=1 --",
        "http://evil.test/jwks.json",
        "one\0",
        "k" * 2_500,
        "",
        None,
        1,
        ["one"],
        {"one": 1},
    ],
)
async def test_JW_07_a_strange_key_name_finds_no_key(issuer: StandInIssuer, guard: Guard, kid: Any) -> None:
    await refusal_of(guard, with_header(issuer.token(), issuer.keys[0], kid=kid))


@pytest.mark.parametrize(
    "exp", [None, "9999999999", 1.5, -1, 0, 10**400, True, [], int(NOON.timestamp()) - 30]
)
async def test_JW_11_a_token_ends_at_a_whole_second_in_the_future(
    issuer: StandInIssuer, guard: Guard, exp: Any
) -> None:
    await refusal_of(guard, signed_text(issuer, json.dumps({**payload_of(issuer), "exp": exp})))


@pytest.mark.parametrize("raw", ['"exp": 1e400', '"exp": NaN', '"exp": Infinity', '"exp": -Infinity'])
async def test_JW_11_numbers_that_are_none_are_refused(issuer: StandInIssuer, guard: Guard, raw: str) -> None:
    claims = payload_of(issuer)
    del claims["exp"]
    await refusal_of(guard, signed_text(issuer, json.dumps(claims)[:-1] + f", {raw}}}"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + f', "aud": "{TIMESHEETS}"}}',
        lambda text: "\ufeff" + text,
        lambda text: text + " {}",
        lambda text: f"[{text}]",
        lambda text: "",
        lambda text: '{"a":' * 1500 + "1" + "}" * 1500,
    ],
)
async def test_JW_14_ambiguous_or_broken_json_is_refused(
    issuer: StandInIssuer, guard: Guard, change: Any
) -> None:
    await refusal_of(guard, signed_text(issuer, change(json.dumps(payload_of(issuer)))))


async def test_JW_14_other_spellings_of_a_good_token_are_refused(issuer: StandInIssuer, guard: Guard) -> None:
    token = issuer.token()
    header, payload, signature = token.split(".")
    await guard.check([f"Bearer {token}"])
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    malleable = signature[:-1] + last[(last.index(signature[-1]) & 0b110000) | 0b1]
    assert base64.urlsafe_b64decode(malleable + "==") == base64url.decode(signature)
    for spelling in (
        f"{header}.{payload}.{malleable}",
        f"{header}.{payload}.{signature}==",
        f"{header}=.{payload}",
    ):
        with pytest.raises((InvalidToken, InvalidRequest)):
            await guard.check([f"Bearer {spelling}"])


@pytest.mark.parametrize("sub", [None, 1, "", [], {"sub": "erin"}])
async def test_JW_16_a_subject_is_text(issuer: StandInIssuer, guard: Guard, sub: Any) -> None:
    await refusal_of(guard, issuer.token(sub=sub))


async def test_JW_19_a_key_not_yet_published_and_one_withdrawn_are_no_keys(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await refusal_of(guard, issuer.token(key=a_key("not yet published")))
    headers = issuer.bearer()
    await guard.check(headers)
    issuer.keys = [a_key("two")]
    issuer.passes(seconds=30)
    await guard.check(issuer.bearer())
    with pytest.raises(InvalidToken):
        await guard.check(headers)


async def test_JW_20_no_token_survives_a_flipped_bit(issuer: StandInIssuer, guard: Guard) -> None:
    token = issuer.token()
    flips = random.Random(20)
    for _ in range(1000):
        at = flips.randrange(len(token))
        changed = token[:at] + chr(ord(token[at]) ^ (1 << flips.randrange(7))) + token[at + 1 :]
        with pytest.raises(OAuthError):
            await guard.check([f"Bearer {changed}"], scope=READ)


def payload_of(issuer: StandInIssuer) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64url.decode(issuer.token().split(".")[1]))
    return claims


def signed_text(issuer: StandInIssuer, payload: str) -> str:
    """A signature of the issuer over whatever text."""
    header = issuer.token().split(".")[0]
    signing_input = f"{header}.{base64url.encode(payload.encode())}"
    return f"{signing_input}.{base64url.encode(issuer.keys[0].sign_raw(signing_input.encode()))}"


async def test_the_attacks_start_from_a_token_that_is_good(issuer: StandInIssuer, guard: Guard) -> None:
    await guard.check([f"Bearer {issuer.token()}"], scope=READ)
    await guard.check([f"Bearer {with_header(issuer.token(), issuer.keys[0])}"], scope=READ)
    await guard.check([f"Bearer {signed_text(issuer, json.dumps(payload_of(issuer)))}"], scope=READ)
