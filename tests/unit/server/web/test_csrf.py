"""Only our own pages post our forms."""

from __future__ import annotations

import pytest

from innkeeper.server.config import Settings
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.secret import Secret
from innkeeper.server.web import csrf
from innkeeper.server.web.http import Request

SETTINGS = Settings(issuer="https://id.example")


def a_ring(*secrets: bytes) -> Seals:
    keys = tuple(MasterKey(key_id=secret[0], value=Secret(secret * 32)) for secret in secrets)
    return Seals(MasterSecret(ring=keys), "https://id.example", lambda length: b"r" * length)


SEALS = a_ring(b"a")


def is_own(*headers: tuple[bytes, bytes], settings: Settings = SETTINGS) -> bool:
    request = Request(
        method="POST",
        path="/sign-in",
        query=b"",
        headers=headers,
        body=b"",
        address="192.0.2.1",
        correlation_id="c",
    )
    return csrf.is_from_our_pages(request, settings)


def is_valid(
    given: str,
    *,
    seals: Seals = SEALS,
    browser: str | None = "b1",
    form: str = "sign-in",
    interaction: str = "i1",
) -> bool:
    return csrf.is_valid(seals, given, browser=browser, form=form, interaction=interaction)


@pytest.fixture
def token() -> str:
    return csrf.token(SEALS, browser="b1", form="sign-in", interaction="i1")


def test_the_token_of_this_browser_form_and_interaction_is_valid(token: str) -> None:
    assert is_valid(token)


def test_LG_02_the_token_of_another_browser_form_or_interaction_is_not(token: str) -> None:
    assert not is_valid(token, browser="b2")
    assert not is_valid(token, form="consent")
    assert not is_valid(token, interaction="i2")
    assert not is_valid(token, seals=a_ring(b"b"))


@pytest.mark.parametrize("browser", [None, ""])
def test_LG_01_without_a_browser_cookie_no_token_is_valid(browser: str | None) -> None:
    made = csrf.token(SEALS, browser=browser or "", form="sign-in", interaction="i1")
    assert not is_valid(made, browser=browser)


@pytest.mark.parametrize("given", ["", "x", "é", "A" * 44, "A" * 10_000, "=", "\0"])
def test_LG_01_what_is_no_token_is_not_valid(given: str) -> None:
    assert not is_valid(given)


def test_LG_08_every_changed_character_spoils_a_token(token: str) -> None:
    for position in range(len(token)):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert not is_valid(changed)


def test_values_do_not_reach_into_their_neighbours() -> None:
    made = csrf.token(SEALS, browser="b1", form="ab", interaction="c")
    assert not is_valid(made, form="a", interaction="bc")


def test_a_token_survives_the_rotation_of_the_master_secret(token: str) -> None:
    assert is_valid(token, seals=a_ring(b"b", b"a"))


ORIGIN = (b"origin", b"https://id.example")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [ORIGIN],
        [(b"sec-fetch-site", b"same-origin")],
        [(b"sec-fetch-site", b"none")],
        [ORIGIN, (b"sec-fetch-site", b"same-origin")],
        [(b"origin", b"null"), (b"sec-fetch-site", b"same-origin")],
    ],
)
def test_a_post_from_our_pages_is_taken(headers: list[tuple[bytes, bytes]]) -> None:
    assert is_own(*headers)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"")],
        [ORIGIN, (b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")],
        [(b"origin", b"null")],
        [(b"origin", b"null"), (b"sec-fetch-site", b"cross-site")],
        [(b"origin", b"null"), (b"sec-fetch-site", b"same-site")],
        [(b"origin", b"https://evil.example"), (b"sec-fetch-site", b"same-origin")],
        [(b"origin", b"https://evil.example")],
        [(b"origin", b"http://id.example")],
        [(b"origin", b"https://id.example:8443")],
        [(b"origin", b"https://id.example.evil.example")],
        [(b"origin", b"https://id.example/")],
        [(b"origin", b"")],
        [ORIGIN, (b"origin", b"https://evil.example")],
    ],
)
def test_LG_01_a_post_from_elsewhere_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert not is_own(*headers)


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://ID.example", b"https://id.example"),
        ("https://id.example/", b"https://id.example"),
        ("https://id.example:443", b"https://id.example"),
        ("https://id.example:8443", b"https://id.example:8443"),
        ("http://localhost:9000", b"http://localhost:9000"),
        ("http://[::1]:9000", b"http://[::1]:9000"),
    ],
)
def test_the_issuer_is_compared_as_browsers_write_origins(issuer: str, origin: bytes) -> None:
    assert is_own((b"origin", origin), settings=Settings(issuer=issuer))
