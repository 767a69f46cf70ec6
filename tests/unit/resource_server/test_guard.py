"""What a guard lets in, and how it refuses the rest (RFC 6750 §3, RFC 9068 §4)."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.resource_server import (
    Guard,
    InvalidRequest,
    InvalidToken,
    Misuse,
    ScopeRequired,
    TokenRequired,
    refusal,
)
from tests.stand_in_issuer import ISSUER, NOON, TIMESHEETS, StandInIssuer, a_key


async def test_a_good_token_tells_who_calls_and_what_they_may_do(issuer: StandInIssuer, guard: Guard) -> None:
    token = await guard.check(
        issuer.bearer("read:timesheets create:timesheets"), scope="create:timesheets read:timesheets"
    )
    assert token.subject == "erin"
    assert token.client_id == "timesheets-spa"
    assert list(token.scope) == ["read:timesheets", "create:timesheets"]
    assert token.audience == (TIMESHEETS,)
    assert token.issued_at == NOON
    assert token.identity == (ISSUER, "erin")
    assert token.claims["jti"] == token.jti == "grant.random"


async def test_an_rsa_signature_is_accepted_and_can_be_configured_away(issuer: StandInIssuer) -> None:
    issuer.keys = [a_key("rsa", "RS256")]
    await issuer.guard().check(issuer.bearer())
    with pytest.raises(InvalidToken):
        await issuer.guard(algorithms=["ES256"]).check(issuer.bearer())


async def test_without_a_scope_any_good_token_is_enough(issuer: StandInIssuer, guard: Guard) -> None:
    assert len((await guard.check(issuer.bearer(without=("scope",)))).scope) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"typ": "JWT"}, "type"),
        ({"typ": "logout+jwt"}, "type"),
        ({"key": a_key("never published")}, "unknown_key"),
        ({"iss": "http://localhost:9999"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"aud": "https://api.exampleco.test/payroll"}, "audience"),
        ({"without": ("aud",)}, "audience"),
        ({"exp": int(NOON.timestamp()) - 30}, "expired"),
        ({"without": ("exp",)}, "claims"),
        ({"nbf": int(NOON.timestamp()) + 31}, "not_yet_valid"),
        ({"iat": int(NOON.timestamp()) + 31}, "not_yet_valid"),
        ({"without": ("sub",)}, "claims"),
        ({"sub": 7}, "claims"),
        ({"without": ("client_id",)}, "client_id"),
        ({"without": ("jti",)}, "jti"),
        ({"without": ("iat",)}, "iat"),
        ({"cnf": {"jkt": "of somebody"}}, "bound to a key"),
        ({"scope": ["read:timesheets"]}, "scope"),
        ({"scope": "read:timesheets\tcreate:timesheets"}, "scope"),
    ],
)
async def test_a_token_with_any_fault_is_refused_with_invalid_token(
    changes: dict[str, Any], reason: str, issuer: StandInIssuer, guard: Guard
) -> None:
    with pytest.raises(InvalidToken) as refused:
        await guard.check(issuer.bearer(**changes))
    assert reason in str(refused.value.detail)
    answer = refusal(refused.value)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_every_cause_but_expiry_looks_the_same_to_the_caller(
    issuer: StandInIssuer, guard: Guard
) -> None:
    descriptions = set()
    faults: list[dict[str, Any]] = [{"typ": "JWT"}, {"aud": "else"}, {"key": a_key("unknown")}, {"cnf": {}}]
    for changes in faults:
        with pytest.raises(InvalidToken) as refused:
            await guard.check(issuer.bearer(**changes))
        descriptions.add(refused.value.description)
    assert descriptions == {"the access token is not valid here"}


async def test_a_token_of_a_wrong_signature_is_refused(issuer: StandInIssuer, guard: Guard) -> None:
    impostor = a_key("one", "RS256")
    with pytest.raises(InvalidToken):
        await guard.check(issuer.bearer(key=impostor))
    header, _, signature = issuer.token().split(".")
    other_payload = issuer.token("approve:timesheets").split(".")[1]
    with pytest.raises(InvalidToken):
        await guard.check([f"Bearer {header}.{other_payload}.{signature}"])


async def test_leeway_forgives_thirty_seconds_of_clock_difference_and_not_more(
    issuer: StandInIssuer, guard: Guard
) -> None:
    headers = issuer.bearer()
    issuer.passes(seconds=900 + 29)
    await guard.check(headers)
    issuer.passes(seconds=1)
    with pytest.raises(InvalidToken, match="expired"):
        await guard.check(headers)


async def test_a_request_without_a_token_is_asked_for_one_without_an_error_code(guard: Guard) -> None:
    for headers in ([], ["Basic dXNlcjpwYXNz"], ["DPoP abc"]):
        with pytest.raises(TokenRequired) as asked:
            await guard.check(headers)
        answer = refusal(asked.value)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="OAuth"')
        assert "error" not in answer.body


async def test_a_missing_scope_is_named_whole(issuer: StandInIssuer, guard: Guard) -> None:
    with pytest.raises(ScopeRequired) as refused:
        await guard.check(issuer.bearer(), scope="read:timesheets approve:timesheets")
    answer = refusal(refused.value)
    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="OAuth", error="insufficient_scope", '
        'error_description="the access token does not have the scope that this resource needs", '
        'scope="read:timesheets approve:timesheets"'
    )


@pytest.mark.parametrize(
    "name", [b"access_token", b"a=1&access_token", b"access%5Ftoken", b"access_token=&b"]
)
async def test_a_token_in_the_query_is_refused_even_beside_a_good_one(
    name: bytes, issuer: StandInIssuer, guard: Guard
) -> None:
    query_string = name + b"=" + issuer.token().encode()
    for headers in ([], issuer.bearer()):
        with pytest.raises(InvalidRequest):
            await guard.check(headers, query_string=query_string)


async def test_other_parameters_of_a_query_do_not_matter(issuer: StandInIssuer, guard: Guard) -> None:
    await guard.check(issuer.bearer(), query_string=b"token=1&my_access_token=2&q=access_token")


@pytest.mark.parametrize(
    "issuer_url",
    [
        "http://id.exampleco.test",
        "http://localhost.evil.test",
        "http://127.0.0.1@evil.test",
        "ftp://localhost",
        "https://id.exampleco.test?x=1",
        "https://id.exampleco.test?",
        "https://id.exampleco.test#x",
        "https://user:password@id.exampleco.test",
        "https://[::1",
        "https://id.exampleco.test:port",
        "id.exampleco.test",
        "",
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_misuse(issuer_url: str) -> None:
    with pytest.raises(Misuse, match="issuer"):
        Guard(issuer=issuer_url, audience=TIMESHEETS)


@pytest.mark.parametrize(
    "issuer_url",
    [
        "https://id.exampleco.test/",
        "http://127.0.0.1:9000",
        "http://[::1]:9000",
        "https://id.exampleco.test/a",
    ],
)
def test_https_and_loopback_issuers_are_accepted(issuer_url: str) -> None:
    assert Guard(issuer=issuer_url, audience=TIMESHEETS).issuer == issuer_url


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["ES256", "HS256"], "ES256"])
def test_algorithms_that_are_not_safe_are_misuse(algorithms: Any) -> None:
    with pytest.raises(Misuse, match="algorithms"):
        Guard(issuer=ISSUER, audience=TIMESHEETS, algorithms=algorithms)


async def test_a_scope_that_cannot_exist_and_an_empty_audience_are_misuse(guard: Guard) -> None:
    with pytest.raises(Misuse):
        await guard.check([], scope='read:"timesheets"')
    with pytest.raises(Misuse):
        guard.requires("read:timesheets  create:timesheets")
    with pytest.raises(Misuse):
        Guard(issuer=ISSUER, audience="")


async def test_a_token_is_verified_once_and_its_expiry_is_looked_at_every_time(
    issuer: StandInIssuer, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = issuer.bearer()
    first = await guard.check(headers)
    monkeypatch.setattr("innkeeper.jose.jwt._check_signature", None)
    assert await guard.check(headers) is first
    issuer.passes(seconds=929)
    assert await guard.check(headers) is first
    issuer.passes(seconds=1)
    monkeypatch.undo()
    with pytest.raises(InvalidToken, match="expired"):
        await guard.check(headers)
