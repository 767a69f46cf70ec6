"""Our cookies among other people's."""

from __future__ import annotations

import pytest

from innkeeper.server.config import Settings
from innkeeper.server.web import cookies
from innkeeper.server.web.http import Request

SECURE = Settings(issuer="https://id.example")
PLAIN = Settings(issuer="http://localhost:9000")


def a_request(*headers: str) -> Request:
    return Request(
        method="GET",
        path="/",
        query=b"",
        headers=tuple((b"cookie", value.encode("latin-1")) for value in headers),
        body=b"",
        address="192.0.2.1",
        correlation_id="c",
    )


def test_LG_04_under_https_a_cookie_has_every_protection() -> None:
    name = cookies.session_cookie_name(SECURE)
    header, value = cookies.set_cookie(name, "ik_se_abc")
    parts = value.decode().split("; ")
    assert header == b"set-cookie"
    assert parts[0].startswith("__Host-innkeeper-session-") and parts[0].endswith("=ik_se_abc")
    assert set(parts[1:]) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


def test_LG_04_over_plain_http_there_is_no_prefix_and_no_secure() -> None:
    name = cookies.browser_cookie_name(PLAIN)
    _, value = cookies.set_cookie(name, "abc")
    assert not name.startswith("__Host-")
    assert set(value.decode().split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=Lax"}


def test_issuers_on_one_host_do_not_share_cookies() -> None:
    other = Settings(issuer="http://localhost:9001")
    names = {
        name(settings)
        for name in (cookies.session_cookie_name, cookies.browser_cookie_name)
        for settings in (PLAIN, other)
    }
    assert len(names) == 4


def test_a_cookie_may_live_longer_than_the_browser_or_end_now() -> None:
    assert b"Max-Age=60" in cookies.set_cookie("a", "b", max_age_s=60)[1]
    assert cookies.clear_cookie("a")[1].startswith(b"a=; ")
    assert b"Max-Age=0" in cookies.clear_cookie("a")[1]


@pytest.mark.parametrize("value", ["a;b", "a b", "a\r\nset-cookie: x=y", "a,b", "\x00", '"a"', "ü"])
def test_a_value_that_could_end_the_header_is_not_set(value: str) -> None:
    with pytest.raises(ValueError, match="cookie value"):
        cookies.set_cookie("a", value)


@pytest.mark.parametrize(
    "header",
    [
        "mine=1",
        "mine=1; other=2",
        "other; mine=1",
        "=x; mine=1",
        ";;; mine=1;",
        'other="a; mine=1',
        "other={a:b}; mine=1",
        "other=ü\x80; mine=1",
        "  mine = 1 ",
        "Mine=2; mine=1",
        "x" * 9000 + "=1;mine=1",
    ],
)
def test_odd_cookies_of_others_do_not_break_ours(header: str) -> None:
    assert cookies.read(a_request(header), "mine") == "1"


def test_a_value_may_hold_an_equals_sign() -> None:
    assert cookies.read(a_request("mine=a=b=="), "mine") == "a=b=="


def test_a_browser_may_send_cookies_in_several_headers() -> None:
    assert cookies.read(a_request("a=1", "mine=1"), "mine") == "1"


@pytest.mark.parametrize("header", ["", "other=1", "xmine=1", "minex=1", "mine"])
def test_without_it_there_is_none(header: str) -> None:
    assert cookies.read(a_request(header), "mine") is None


@pytest.mark.parametrize("headers", [("mine=1; mine=2",), ("mine=1; mine=1",), ("mine=1", "mine=2")])
def test_LG_08_one_that_was_planted_beside_ours_makes_both_count_as_absent(headers: tuple[str, ...]) -> None:
    assert cookies.read(a_request(*headers), "mine") is None
