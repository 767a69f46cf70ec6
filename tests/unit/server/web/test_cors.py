"""Which other origins may read an answer."""

from __future__ import annotations

import pytest

from innkeeper.server.web import cors

APP = "https://app.example"


def test_discovery_and_keys_are_for_every_origin() -> None:
    assert dict(cors.public()) == {b"access-control-allow-origin": b"*"}
    preflight = cors.public_preflight(("GET",))
    assert preflight.status == 204
    assert dict(preflight.headers)[b"access-control-allow-methods"] == b"GET"


def test_an_allowed_origin_is_named() -> None:
    headers = dict(cors.for_origin(APP, allowed=True))
    assert headers[b"access-control-allow-origin"] == APP.encode()
    assert headers[b"vary"] == b"Origin"
    assert b"www-authenticate" in headers[b"access-control-expose-headers"]


@pytest.mark.parametrize("origin", [None, "https://evil.example"])
def test_HT_07_a_foreign_origin_gets_nothing_but_vary(origin: str | None) -> None:
    assert cors.for_origin(origin, allowed=False) == ((b"vary", b"Origin"),)


@pytest.mark.parametrize(
    "origin", ["null", "*", "https://a b", "https://app.example\r\nx: y", "https://ä.example", ""]
)
def test_HT_07_what_is_no_origin_is_not_repeated_even_if_somebody_allowed_it(origin: str) -> None:
    headers = dict(cors.for_origin(origin, allowed=True))
    assert headers.get(b"access-control-allow-origin", b"") == b""


def test_HT_07_credentials_are_never_allowed() -> None:
    answers = (
        cors.public(),
        cors.for_origin(APP, allowed=True),
        cors.preflight(APP, allowed=True, methods=("POST",)).headers,
        cors.public_preflight(("GET",)).headers,
    )
    for headers in answers:
        assert b"access-control-allow-credentials" not in dict(headers)


def test_an_allowed_preflight_names_methods_headers_and_its_age() -> None:
    preflight = cors.preflight(APP, allowed=True, methods=("GET", "POST"))
    headers = dict(preflight.headers)
    assert preflight.status == 204 and preflight.body == b""
    assert headers[b"access-control-allow-origin"] == APP.encode()
    assert headers[b"access-control-allow-methods"] == b"GET, POST"
    assert {b"authorization", b"content-type", b"dpop"} <= set(
        headers[b"access-control-allow-headers"].split(b", ")
    )
    assert headers[b"access-control-max-age"].isdigit()
    assert headers[b"vary"] == b"Origin"


def test_HT_07_a_foreign_preflight_is_granted_nothing() -> None:
    preflight = cors.preflight("https://evil.example", allowed=False, methods=("POST",))
    assert preflight.headers == ((b"vary", b"Origin"),)
