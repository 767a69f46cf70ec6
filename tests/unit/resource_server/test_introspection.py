"""A guard that asks its issuer: about opaque tokens, about all tokens, and what it does when nobody answers (R-RG3)."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.resource_server import (
    Guard,
    Introspection,
    InvalidToken,
    Misuse,
    ScopeRequired,
    TemporarilyUnavailable,
    refusal,
)
from innkeeper.resource_server.fetch import FetchFailed, HttpAsk
from innkeeper.resource_server.introspection import MAX_KEPT
from tests.stand_in_issuer import ISSUER, TIMESHEETS, StandInIssuer
from tests.unit.resource_server.test_fetch import a_server

AS_API = Introspection(client_id="timesheets-api", client_secret="a secret: 100%")
KEEPING = Introspection(client_id="timesheets-api", client_secret="s", kept_for=timedelta(seconds=30))


def bearer(token: str) -> list[str]:
    return [f"Bearer {token}"]


async def test_an_opaque_token_is_asked_about_as_the_app_that_guards(issuer: StandInIssuer) -> None:
    token = issuer.opaque_token(permissions=["read:timesheets"])
    found = await issuer.guard(introspection=AS_API).check(bearer(token), scope="read:timesheets")
    assert (found.subject, found.client_id, found.audience) == ("erin", "timesheets-spa", (TIMESHEETS,))
    assert found.claims["permissions"] == ["read:timesheets"]
    # id and secret are form-encoded inside: "timesheets-api:a+secret%3A+100%25"
    assert issuer.questions == [(token, "Basic dGltZXNoZWV0cy1hcGk6YStzZWNyZXQlM0ErMTAwJTI1")]


async def test_the_endpoint_is_found_by_discovery_once(issuer: StandInIssuer) -> None:
    guard = issuer.guard(introspection=AS_API)
    for _ in range(3):
        await guard.check(bearer(issuer.opaque_token()))
    assert issuer.asked == [f"{ISSUER}/.well-known/oauth-authorization-server"]


async def test_without_introspection_an_opaque_token_is_refused(issuer: StandInIssuer) -> None:
    with pytest.raises(InvalidToken):
        await issuer.guard().check(bearer(issuer.opaque_token()))
    assert issuer.questions == []


async def test_too_little_scope_is_told_as_for_a_jwt(issuer: StandInIssuer) -> None:
    with pytest.raises(ScopeRequired):
        await issuer.guard(introspection=AS_API).check(
            bearer(issuer.opaque_token("openid")), scope="read:timesheets"
        )


async def test_a_jwt_is_not_asked_about_unless_the_guard_is_online(issuer: StandInIssuer) -> None:
    token = issuer.token()
    await issuer.guard(introspection=AS_API).check(bearer(token))
    assert issuer.questions == []
    await issuer.guard(introspection=AS_API, online=True).check(bearer(token))
    assert [asked for asked, _ in issuer.questions] == [token]


async def test_an_online_guard_refuses_what_is_forged_without_a_question(issuer: StandInIssuer) -> None:
    guard = issuer.guard(introspection=AS_API, online=True)
    token = issuer.token()
    for forged in (token[:-4] + "AAAA", issuer.token(aud="https://elsewhere.example"), issuer.token(exp=1)):
        with pytest.raises(InvalidToken):
            await guard.check(bearer(forged))
    assert issuer.questions == []


async def test_a_jwt_of_another_type_is_the_issuers_to_judge(issuer: StandInIssuer) -> None:
    token = issuer.token(typ="JWT", azp="timesheets-spa")
    with pytest.raises(InvalidToken):
        await issuer.guard().check(bearer(token))
    assert (await issuer.guard(introspection=AS_API).check(bearer(token))).subject == "erin"
    issuer.ended.add(token)
    with pytest.raises(InvalidToken):
        await issuer.guard(introspection=AS_API).check(bearer(token))


@pytest.mark.parametrize("online", [False, True])
async def test_while_nobody_answers_nobody_comes_in(
    issuer: StandInIssuer, online: bool, caplog: pytest.LogCaptureFixture
) -> None:
    guard = issuer.guard(introspection=AS_API, online=online)
    opaque, jwt = issuer.opaque_token(), issuer.token()
    await guard.check(bearer(jwt))
    await guard.check(bearer(opaque))
    issuer.is_down = True
    for token in (opaque, jwt) if online else (opaque,):
        with caplog.at_level(logging.WARNING), pytest.raises(TemporarilyUnavailable) as away:
            await guard.check(bearer(token))
        answer = refusal(away.value)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    if not online:
        await guard.check(bearer(jwt))
    assert opaque not in caplog.text and "secret" not in caplog.text
    issuer.is_down = False
    await guard.check(bearer(opaque))


async def test_an_issuer_that_answers_with_an_error_is_away(issuer: StandInIssuer) -> None:
    async def refused(url: str, form: Any, authorization: str) -> bytes:
        raise FetchFailed(f"{url} answered 401")

    guard = Guard(
        issuer=ISSUER,
        audience=TIMESHEETS,
        introspection=AS_API,
        fetch=issuer.fetch,
        ask=refused,
        clock=issuer.clock,
    )
    for _ in range(2):
        with pytest.raises(TemporarilyUnavailable):
            await guard.check(bearer(issuer.opaque_token()))
    assert len(issuer.asked) == 2  # it may have moved: looked up again


@pytest.mark.parametrize("endpoint", [None, 7, "http://elsewhere.example/introspect", "ftp://x", ""])
async def test_an_endpoint_that_cannot_be_trusted_is_not_asked(issuer: StandInIssuer, endpoint: Any) -> None:
    issuer.metadata["introspection_endpoint"] = endpoint
    with pytest.raises(TemporarilyUnavailable):
        await issuer.guard(introspection=AS_API).check(bearer(issuer.opaque_token()))
    assert issuer.questions == []


async def test_metadata_of_another_issuer_is_not_believed(issuer: StandInIssuer) -> None:
    issuer.metadata["issuer"] = "http://localhost:9999"
    with pytest.raises(TemporarilyUnavailable):
        await issuer.guard(introspection=AS_API).check(bearer(issuer.opaque_token()))
    assert issuer.questions == []


# ------------------------------------------------------------ keeping answers


async def test_as_it_comes_nothing_is_kept(issuer: StandInIssuer) -> None:
    guard, token = issuer.guard(introspection=AS_API), issuer.opaque_token()
    for _ in range(3):
        await guard.check(bearer(token))
    assert len(issuer.questions) == 3


async def test_an_answer_is_kept_as_long_as_it_was_said_and_no_longer(issuer: StandInIssuer) -> None:
    guard, token = issuer.guard(introspection=KEEPING), issuer.opaque_token()
    await guard.check(bearer(token))
    issuer.ended.add(token)
    issuer.passes(seconds=29)
    await guard.check(bearer(token))
    issuer.passes(seconds=1)
    with pytest.raises(InvalidToken):
        await guard.check(bearer(token))
    assert len(issuer.questions) == 2


async def test_nothing_is_kept_beyond_the_tokens_own_end(issuer: StandInIssuer) -> None:
    guard = issuer.guard(introspection=KEEPING, leeway=timedelta(0))
    token = issuer.opaque_token(exp=int(issuer.now.timestamp()) + 10)
    await guard.check(bearer(token))
    issuer.passes(seconds=10)
    with pytest.raises(InvalidToken):
        await guard.check(bearer(token))


async def test_a_bounded_number_is_kept(issuer: StandInIssuer) -> None:
    guard = issuer.guard(introspection=KEEPING)
    tokens = [issuer.opaque_token() for _ in range(MAX_KEPT + 1)]
    for token in tokens:
        await guard.check(bearer(token))
    before = len(issuer.questions)
    await guard.check(bearer(tokens[-1]))
    assert len(issuer.questions) == before
    await guard.check(bearer(tokens[0]))
    assert len(issuer.questions) == before + 1


# ------------------------------------------------------------ settings


@pytest.mark.parametrize(
    "settings",
    [
        {"client_id": "", "client_secret": "s"},
        {"client_id": "a", "client_secret": ""},
        {"client_id": "a", "client_secret": "s", "kept_for": timedelta(seconds=-1)},
        {"client_id": "a", "client_secret": "s", "kept_for": timedelta(minutes=6)},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_misuse(settings: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        Introspection(**settings)


def test_online_needs_somebody_to_ask_as() -> None:
    with pytest.raises(Misuse):
        Guard(issuer=ISSUER, audience=TIMESHEETS, online=True)


def test_the_secret_is_not_shown() -> None:
    assert "secret:" not in repr(AS_API) and "timesheets-api" in repr(AS_API)


# ------------------------------------------------------------ over HTTP


async def test_the_question_goes_over_http_as_a_form() -> None:
    answer = b'HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"active": false}'
    async with a_server(answer) as (url, requests):
        ask = HttpAsk()
        assert await ask(url, {"token": "a&b"}, "Basic x") == b'{"active": false}'
        await ask.aclose()
        await ask.aclose()
    head = requests[0].decode().lower()
    assert head.startswith("post /jwks http/1.1")
    assert "authorization: basic x" in head
    assert "content-type: application/x-www-form-urlencoded" in head


@pytest.mark.parametrize("status", [b"302 Found\r\nlocation: /elsewhere", b"401 No", b"503 Away"])
async def test_anything_but_200_is_no_answer(status: bytes) -> None:
    async with a_server(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n") as (url, requests):
        ask = HttpAsk()
        with pytest.raises(FetchFailed):
            await ask(url, {"token": "x"}, "Basic x")
        await ask.aclose()
    assert len(requests) == 1


def test_a_guard_may_be_used_by_one_event_loop_after_the_other() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    ask = HttpAsk()

    async def question() -> bytes:
        async with a_server(answer) as (url, _):
            try:
                return await ask(url, {"token": "x"}, "Basic x")
            finally:
                await ask.aclose()

    assert [asyncio.run(question()) for _ in range(2)] == [b"{}", b"{}"]
