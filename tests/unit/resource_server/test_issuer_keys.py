"""How a guard keeps the keys of its issuer: rotation, outage, storms (R-RG4)."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from innkeeper.jose.jwks import KeySet
from innkeeper.resource_server import Guard, InvalidToken, TemporarilyUnavailable, refusal
from tests.stand_in_issuer import ISSUER, StandInIssuer, a_key

JWKS = f"{ISSUER}/.well-known/jwks.json"
METADATA = f"{ISSUER}/.well-known/oauth-authorization-server"


async def settle() -> None:
    """Let what runs in the background finish."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_keys_are_found_by_discovery_and_asked_for_once(issuer: StandInIssuer, guard: Guard) -> None:
    for _ in range(3):
        await guard.check(issuer.bearer())
    assert issuer.asked == [METADATA, JWKS]


async def test_a_guard_that_is_only_made_asks_nobody(issuer: StandInIssuer, guard: Guard) -> None:
    assert issuer.asked == []


async def test_an_issuer_with_only_the_openid_document_is_found_too(
    issuer: StandInIssuer, guard: Guard
) -> None:
    issuer.documents[f"{ISSUER}/.well-known/openid-configuration"] = json.dumps(issuer.metadata).encode()
    plain_fetch = issuer.fetch

    async def without_oauth_document(url: str) -> bytes:
        body = await plain_fetch(url)
        if url == METADATA:
            raise OSError("404")
        return body

    guard = Guard(issuer=ISSUER, audience=guard.audience, fetch=without_oauth_document, clock=issuer.clock)
    await guard.check(issuer.bearer())


async def test_a_hundred_first_requests_together_ask_once(issuer: StandInIssuer, guard: Guard) -> None:
    headers = issuer.bearer()
    await asyncio.gather(*(guard.check(headers) for _ in range(100)))
    assert issuer.jwks_fetches == 1


async def test_a_caller_who_goes_away_leaves_the_answer_to_the_others(
    issuer: StandInIssuer, guard: Guard
) -> None:
    headers = issuer.bearer()
    leaving = asyncio.create_task(guard.check(headers))
    staying = asyncio.create_task(guard.check(headers))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).subject == "erin"
    assert issuer.jwks_fetches == 1


async def test_a_new_key_is_fetched_when_its_first_token_comes(issuer: StandInIssuer, guard: Guard) -> None:
    await guard.check(issuer.bearer())
    issuer.keys.insert(0, a_key("two"))
    issuer.passes(seconds=30)
    await guard.check(issuer.bearer())
    await guard.check(issuer.bearer(key=a_key("one")))
    assert issuer.jwks_fetches == 2


async def test_a_key_that_was_published_ahead_needs_no_fetch(issuer: StandInIssuer, guard: Guard) -> None:
    issuer.keys = [a_key("one"), a_key("two")]
    await guard.check(issuer.bearer())
    await guard.check(issuer.bearer(key=a_key("two")))
    assert issuer.jwks_fetches == 1


async def test_a_withdrawn_key_is_believed_for_five_minutes_and_its_tokens_are_forgotten(
    issuer: StandInIssuer, guard: Guard
) -> None:
    headers = issuer.bearer(key=a_key("one"))
    await guard.check(headers)
    issuer.keys = [a_key("two")]
    issuer.passes(minutes=5)
    await guard.check(headers)
    await settle()
    with pytest.raises(InvalidToken):
        await guard.check(headers)


async def test_old_keys_are_refreshed_without_letting_a_request_wait(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer())
    issuer.passes(minutes=5)
    headers = issuer.bearer()
    await guard.check(headers)
    assert issuer.jwks_fetches == 1
    await settle()
    assert issuer.jwks_fetches == 2


async def test_an_outage_of_the_issuer_does_not_stop_the_api(
    issuer: StandInIssuer, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    await guard.check(issuer.bearer())
    issuer.is_down = True
    for _ in range(12):
        issuer.passes(hours=1)
        await guard.check(issuer.bearer())
        await settle()
    assert "could not be read" in caplog.text
    issuer.is_down = False
    issuer.keys = [a_key("two")]
    issuer.passes(seconds=30)
    await guard.check(issuer.bearer())


async def test_after_a_day_without_any_answer_old_keys_are_believed_no_more(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer())
    issuer.is_down = True
    issuer.passes(hours=24)
    with pytest.raises(TemporarilyUnavailable):
        await guard.check(issuer.bearer())


async def test_without_any_key_the_answer_is_503_and_the_guard_asks_again_after_a_second(
    issuer: StandInIssuer, guard: Guard
) -> None:
    issuer.is_down = True
    for _ in range(2):
        with pytest.raises(TemporarilyUnavailable):
            await guard.check(issuer.bearer())
    with pytest.raises(TemporarilyUnavailable) as unavailable:
        await guard.check(issuer.bearer())
    answer = refusal(unavailable.value)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "WWW-Authenticate" not in answer.headers
    assert len(issuer.asked) == 2  # both addresses of the metadata, once
    issuer.is_down = False
    issuer.passes(seconds=1)
    await guard.check(issuer.bearer())


@pytest.mark.parametrize(
    "document",
    [b"", b"<html>", b"{}", b'{"keys": []}', b'{"keys": {}}', b'{"keys": [], "x": "' + b"x" * 262144 + b'"}'],
)
async def test_a_broken_key_set_leaves_the_old_keys(
    document: bytes, issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer())
    issuer.documents[JWKS] = document
    issuer.passes(minutes=6)
    await guard.check(issuer.bearer())
    await settle()
    assert issuer.jwks_fetches == 2
    await guard.check(issuer.bearer())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": ISSUER + "/", "jwks_uri": JWKS},
        {"issuer": "https://evil.test", "jwks_uri": JWKS},
        {"jwks_uri": JWKS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "http://evil.test/jwks.json"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/jwks.json"},
        {"issuer": ISSUER, "jwks_uri": [JWKS]},
    ],
)
async def test_metadata_of_another_issuer_or_with_an_unsafe_address_is_refused(
    metadata: dict[str, Any], issuer: StandInIssuer, guard: Guard
) -> None:
    issuer.metadata = metadata
    with pytest.raises(TemporarilyUnavailable):
        await guard.check(issuer.bearer())
    assert issuer.jwks_fetches == 0


async def test_unknown_keys_make_at_most_one_fetch_in_thirty_seconds(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer())
    for second in range(60):
        for number in range(5):
            with pytest.raises(InvalidToken):
                await guard.check(issuer.bearer(key=renamed(f"random {second} {number}")))
        issuer.passes(seconds=1)
    assert issuer.jwks_fetches == 2  # the first one at second 0, and one at second 30


async def test_a_clock_that_is_set_back_does_not_stop_the_guard_from_asking(
    issuer: StandInIssuer, guard: Guard
) -> None:
    await guard.check(issuer.bearer())
    issuer.passes(hours=-2)
    issuer.keys = [a_key("two")]
    await guard.check(issuer.bearer())


async def test_the_log_names_the_cause_and_no_token(
    issuer: StandInIssuer, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.metadata = {"issuer": "https://evil.test", "jwks_uri": JWKS}
    headers = issuer.bearer()
    with caplog.at_level(logging.DEBUG), pytest.raises(TemporarilyUnavailable):
        await guard.check(headers)
    assert "another issuer" in caplog.text
    assert headers[0].removeprefix("Bearer ") not in caplog.text


def renamed(kid: str) -> Any:
    """A key with a new name, without the cost of making one."""
    from innkeeper.jose import jwk

    return jwk.SigningKey(a_key("of a stranger")._private, alg="ES256", kid=kid)


def test_the_stand_in_publishes_what_it_signs_with(issuer: StandInIssuer) -> None:
    assert "one" in KeySet.parse(KeySet.document(key.public_jwk for key in issuer.keys))
