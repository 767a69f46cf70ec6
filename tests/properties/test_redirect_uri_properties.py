"""RU-35: our comparison of redirect URIs beside byte equality, the standard library and a browser's parser.

Differences between parsers live in few characters, so the generator recombines the pieces of real attacks
instead of drawing letters at random.
"""

from __future__ import annotations

import contextlib
import random
import re
from urllib.parse import urlsplit

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth.redirect_uri import RedirectUriRefused, check_registrable, matches, origin_of, platform

REGISTERED = (
    "https://app.example/cb",
    "https://app.example:8443/cb?tenant=1",
    "http://127.0.0.1/callback",
    "http://127.0.0.1:8000/callback?x=1",
    "http://[::1]/callback",
    "http://localhost:3000/callback",
    "com.example.app:/cb",
)
SCHEMES = ("https", "http", "HTTPS", "Http", "javascript", "com.example.app", "", "data", "ftp")
SLASHES = ("://", ":/", ":", ":///", ":\\\\", "//", ":/\\", ":////")
USERS = (
    "",
    "",
    "",
    "",
    "user@",
    "app.example@",
    "127.0.0.1:80@",
    "app.example%5c@",
    "app.example\\@",
    "@",
    "a:b@",
)
HOSTS = (
    "app.example",
    "app.example",
    "127.0.0.1",
    "127.0.0.1",
    "[::1]",
    "[::1]",
    "localhost",
    "evil.example",
    "APP.EXAMPLE",
    "app.example.",
    "app.example.evil.example",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "127.0.0.2",
    "127.0.0.1.evil.example",
    "[::1",
    "::1",
    "[zz]",
    "\u0430pp.example",
    "app\u3002example",
    "\uff11\uff12\uff17.0.0.1",
    "app%2eexample",
    "",
    "127.0.0.1%00",
    "[::1%25lo]",
    "app.example\t",
    "app.exa\nmple",
)
PORTS = (
    "",
    "",
    "",
    ":80",
    ":443",
    ":8000",
    ":49152",
    ":65535",
    ":65536",
    ":0",
    ":",
    ":080",
    ":8443",
    ":x",
    ":1@evil.example",
    ":\u0661",
    ":80:80",
)
PATHS = (
    "/cb",
    "/cb",
    "/callback",
    "/callback",
    "",
    "/",
    "/CB",
    "/cb/",
    "/cb;x",
    "/./cb",
    "/../cb",
    "/%63b",
    "/cb%00",
    "\\cb",
    "/cb ",
    "//cb",
    "/cb\r\n",
    "@evil.example/cb",
)
QUERIES = ("", "", "", "?tenant=1", "?x=1", "?", "?x=1&x=2", "?x=%31")
FRAGMENTS = ("", "", "", "#", "#f", "%23f")
EDITS = ("", "", "", " ", "\t", "\n", "\u200b", "\u00a0", "\\", "@", "%", "#", "\0", ".", "/", "é")
_PORT = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\])):[0-9]+(?=[/?]|$)")


def generated(chance: random.Random) -> str:
    """A registered URI with a character changed, or a new one of pieces."""
    if chance.random() < 0.4:
        base = chance.choice(REGISTERED)
        at = chance.randrange(len(base) + 1)
        keep = at + chance.choice((0, 0, 1))
        edit = chance.choice((*EDITS, chr(chance.randrange(0x20, 0x7F)), f":{chance.randrange(70000)}"))
        return base[:at] + edit + base[keep:]
    kinds = (SCHEMES, SLASHES, USERS, HOSTS, PORTS, PATHS, QUERIES, FRAGMENTS)
    return "".join(kind[0] if chance.random() < 0.5 else chance.choice(kind) for kind in kinds)


def expected(sent: str, registered: str, *, loopback_port_free: bool) -> bool:
    """The law, said another way than in the code: take a loopback literal's port out of both, compare."""
    if sent == registered:
        return True
    if not loopback_port_free or not registered.startswith(("http://127.0.0.1", "http://[::1]")):
        return False
    port = re.match(r"http://(?:127\.0\.0\.1|\[::1\]):([0-9]+)", sent)
    if port is not None and (port[1].startswith("0") or int(port[1]) > 65535):
        return False
    return _PORT.sub(r"\1", sent) == _PORT.sub(r"\1", registered)


def browser_host(uri: str) -> tuple[str, str] | None:
    """Scheme and host as a browser sees them (WHATWG), None if it sees no URL."""
    try:
        url = ada_url.URL(uri)
    except ValueError:
        return None
    return url.protocol, url.hostname


def run(trials: int, seed: int) -> int:
    chance = random.Random(seed)
    accepted = 0
    for _ in range(trials):
        sent = generated(chance)
        registered = chance.choice(REGISTERED)
        loopback_port_free = chance.random() < 0.7
        answer = matches(sent, [registered], loopback_port_free=loopback_port_free)
        where = f"seed {seed}: {sent!r} against {registered!r}"
        assert answer == expected(sent, registered, loopback_port_free=loopback_port_free), where
        if answer:
            accepted += 1
            assert browser_host(sent) == browser_host(registered), where
            assert urlsplit(sent).hostname == urlsplit(registered).hostname, where
            assert urlsplit(sent)._replace(netloc="") == urlsplit(registered)._replace(netloc=""), where
    return accepted


def test_RU_35_no_accepted_uri_leads_a_browser_elsewhere() -> None:
    assert run(10_000, random.randrange(2**32)) > 20


@pytest.mark.faults("attacks")
def test_RU_35_no_accepted_uri_leads_a_browser_elsewhere_in_a_million_trials() -> None:
    assert run(1_000_000, random.randrange(2**32)) > 2_000


def test_RU_35_a_uri_that_may_be_registered_is_read_alike_by_browser_and_library() -> None:
    chance = random.Random(seed := random.randrange(2**32))
    registrable = 0
    for _ in range(10_000):
        uri = generated(chance)
        try:
            check_registrable(uri, client_type="native")
        except RedirectUriRefused:
            continue
        registrable += 1
        where = f"seed {seed}: {uri!r}"
        url = ada_url.URL(uri)
        split = urlsplit(uri)
        assert url.username == url.password == url.hash == "", where
        assert url.protocol == f"{split.scheme}:", where
        if platform(uri) == "private_use":
            continue
        assert url.hostname.strip("[]") == split.hostname, where
        assert url.origin == origin_of(uri), where
        assert url.pathname == (split.path or "/"), where
    assert registrable > 100


@given(st.text(max_size=60))
def test_no_text_makes_a_rule_fail_in_another_way_than_it_says(uri: str) -> None:
    matches(uri, REGISTERED, loopback_port_free=True)
    origin_of(uri)
    platform(uri)
    with contextlib.suppress(RedirectUriRefused):
        check_registrable(uri, client_type="native")


@given(st.integers(1, 65535), st.sampled_from(["127.0.0.1", "[::1]"]))
def test_every_port_of_a_loopback_address_is_free_to_a_native_app(port: int, host: str) -> None:
    assert matches(f"http://{host}:{port}/cb", [f"http://{host}/cb"], loopback_port_free=True)
    assert not matches(f"http://{host}:{port}/cb", [f"http://{host}/cb"], loopback_port_free=False)
