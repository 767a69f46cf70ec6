"""`oauth.redirect_uri`: what matches, and what may be registered (RU cases that the rule decides)."""

from __future__ import annotations

import pytest

from innkeeper.oauth.redirect_uri import (
    RedirectUriRefused,
    check_registrable,
    is_verifiable,
    matches,
    origin_of,
    platform,
)

WEB = "https://app.example/cb"
LOOPBACK = "http://127.0.0.1/callback"
TWINS = {
    "RU-01": ["https://app.example/cb/", "https://app.example//cb", "https://app.example/cb/."],
    "RU-02": ["https://app.example/cb?x=1", "https://app.example/cb?", "https://app.example/cb&x=1"],
    "RU-04": [
        "http://localhost:80@evil.example/cb",
        "http://127.0.0.1:80@evil.example/",
        "https://app.example@evil.example/cb",
    ],
    "RU-05": [
        "https://app.example\\@evil.example/cb",
        "https://app.example%5c@evil.example/cb",
        "https:\\\\app.example\\cb",
    ],
    "RU-07": ["https://app.example/cb#", "https://app.example/cb#frag", "https://app.example/cb%23frag"],
    "RU-08": ["https://app.example/cb;evil=1", "https://app.example/cb;"],
    "RU-10": ["https://app.example/CB", "HTTPS://APP.EXAMPLE/cb", "https://app.example/c%62"],
    "RU-11": ["https://app.example./cb"],
    "RU-13": ["https://app.example.evil.example/cb", "https://evilapp.example/cb", "https://xapp.example/cb"],
    "RU-14": ["https://appXexample/cb"],
    "RU-16": [
        "https://\u0430pp.example/cb",
        "https://app\u3002example/cb",
        "https://\uff41pp.example/cb",
        "https://xn--pp-6kc.example/cb",
    ],
    "RU-17": [
        " " + WEB,
        WEB + " ",
        WEB + "%20",
        WEB + "\u200b",
        WEB + "\u00a0",
        WEB + "\n",
        "\t" + WEB,
        WEB + "\0",
    ],
    "RU-19": [
        "https://[::1]/cb",
        "https://[::ffff:127.0.0.1]/cb",
        "https://2130706433/cb",
        "https://0x7f.1/cb",
        "https://127.1/cb",
    ],
    "RU-20": [
        "http://[::1",
        "http://[zz]/",
        "https://" + "a" * 10_000 + "/cb",
        "https://app.example:443/cb",
        "https://app.example:99999/cb",
    ],
    "RU-22": [WEB + ",evil", WEB + " https://evil.example", ""],
}


@pytest.mark.parametrize(("case", "sent"), [(case, uri) for case, uris in TWINS.items() for uri in uris])
@pytest.mark.parametrize("loopback_port_free", [True, False])
def test_RU_nothing_but_the_registered_bytes_matches(case: str, sent: str, loopback_port_free: bool) -> None:
    assert not matches(sent, [WEB, LOOPBACK], loopback_port_free=loopback_port_free), case


def test_the_registered_uri_matches_wherever_it_stands_in_the_list() -> None:
    assert matches(WEB, [WEB], loopback_port_free=False)
    assert matches(WEB, ["https://app.example/other", WEB], loopback_port_free=False)
    assert not matches(WEB, [], loopback_port_free=True)


@pytest.mark.parametrize(
    ("sent", "registered"),
    [
        ("http://127.0.0.1:49152/callback", LOOPBACK),
        ("http://127.0.0.1:1/callback", LOOPBACK),
        ("http://127.0.0.1:65535/callback", LOOPBACK),
        ("http://127.0.0.1/callback", "http://127.0.0.1:8000/callback"),
        ("http://127.0.0.1:9/callback", "http://127.0.0.1:8000/callback"),
        ("http://[::1]:5000/callback?x=1", "http://[::1]/callback?x=1"),
        ("http://127.0.0.1:5000", "http://127.0.0.1"),
        ("http://127.0.0.1:5000?x", "http://127.0.0.1?x"),
    ],
)
def test_RU_26_a_native_app_may_come_from_any_port_of_the_loopback_address(
    sent: str, registered: str
) -> None:
    assert matches(sent, [registered], loopback_port_free=True)
    assert not matches(sent, [registered], loopback_port_free=False)


@pytest.mark.parametrize(
    "sent",
    [
        "http://127.0.0.1:5000/other",
        "http://127.0.0.1:5000/callback/",
        "http://127.0.0.1:5000/callback?x=1",
        "http://127.0.0.1:5000/callback#",
        "http://127.0.0.1:5000",
        "http://localhost:5000/callback",
        "http://127.0.0.2:5000/callback",
        "http://[::1]:5000/callback",
        "https://127.0.0.1:5000/callback",
        "HTTP://127.0.0.1:5000/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:05000/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:500000/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:+80/callback",
        "http://127.0.0.1:\u0665/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1:80\\@evil.example/callback",
        "http://127.0.0.1.evil.example:80/callback",
        "http://127.0.0.1%00:80/callback",
        "http://user@127.0.0.1:80/callback",
        "http://127.0.0.1:80/callback\n",
        "http://127.1:80/callback",
        "http://2130706433:80/callback",
        "http://[::ffff:127.0.0.1]:80/callback",
        "http://[0:0:0:0:0:0:0:1]:80/callback",
    ],
)
def test_RU_26_anything_else_than_the_port_must_be_the_same(sent: str) -> None:
    assert not matches(sent, [LOOPBACK], loopback_port_free=True)


def test_RU_26_the_name_localhost_keeps_its_port() -> None:
    registered = ["http://localhost:3000/cb"]
    assert matches("http://localhost:3000/cb", registered, loopback_port_free=True)
    assert not matches("http://localhost:3001/cb", registered, loopback_port_free=True)


@pytest.mark.parametrize(
    "sent", ["com.app://cb", "com.app:cb", "com.app:///cb", "COM.APP:/cb", "com.app:/cb/", "com.apps:/cb"]
)
def test_RU_31_a_private_scheme_is_compared_byte_by_byte(sent: str) -> None:
    assert matches("com.app:/cb", ["com.app:/cb"], loopback_port_free=True)
    assert not matches(sent, ["com.app:/cb"], loopback_port_free=True)


REGISTRABLE = [
    (WEB, "web"),
    ("https://app.example", "web"),
    ("https://app.example:8443/cb?tenant=a%20b&x=y", "web"),
    ("https://xn--bcher-kva.example/cb", "web"),
    ("https://a_b.example/cb;v=1", "web"),
    ("https://192.0.2.7/cb", "web"),
    ("https://[2001:db8::1]:8443/cb", "web"),
    ("https://app.example/a@b", "web"),
    ("http://localhost:3000/callback", "loopback"),
    ("http://127.0.0.1/callback", "loopback"),
    ("http://[::1]:8080/callback", "loopback"),
    ("https://localhost:3000/callback", "loopback"),
]


@pytest.mark.parametrize(("uri", "kind"), REGISTRABLE)
@pytest.mark.parametrize("client_type", ["regular_web", "spa", "native"])
def test_good_uris_may_be_registered_by_every_type_of_client(uri: str, kind: str, client_type: str) -> None:
    check_registrable(uri, client_type=client_type)
    assert platform(uri) == kind
    assert is_verifiable(uri) == (kind == "web")
    assert matches(uri, [uri], loopback_port_free=False)


@pytest.mark.parametrize(
    "uri", ["com.example.app:/callback", "com.example.app://id.example/android", "com.example.app:/cb?x=1"]
)
def test_a_private_scheme_is_for_native_apps_only(uri: str) -> None:
    check_registrable(uri, client_type="native")
    assert platform(uri) == "private_use"
    assert not is_verifiable(uri)
    assert origin_of(uri) is None
    for client_type in ("regular_web", "spa", "m2m"):
        with pytest.raises(RedirectUriRefused, match="native"):
            check_registrable(uri, client_type=client_type)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//app.example/cb",
        "app.example/cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https://",
        "https:///cb",
        "https://:443/cb",
        "https://app.example/cb#",
        "https://app.example/cb#frag",
        "https://user@app.example/cb",
        "https://user:pw@app.example/cb",
        "https://@app.example/cb",
        "https://app.example\\cb",
        "https://app.example/c b",
        "https://app.example/cb\n",
        "https://app.example/cb\t",
        "https://app.example/\u00fcber",
        "https://b\u00fccher.example/cb",
        "https://app.example/%",
        "https://app.example/%zz",
        "https://app.example/<script>",
        "https://app.example/\x00",
        "https://*.example/cb",
        "https://app.example/*",
        "https://app.example/../cb",
        "https://app.example/a/./cb",
        "https://app.example/a/%2e%2e/cb",
        "https://app.example/a/.%2E",
        "HTTPS://app.example/cb",
        "https://APP.example/cb",
        "https://app.example./cb",
        "https://.example/cb",
        "https://app..example/cb",
        "https://-app.example/cb",
        "https://app%2eexample/cb",
        "https://" + "a" * 64 + ".example/cb",
        "https://app.example:/cb",
        "https://app.example:0/cb",
        "https://app.example:080/cb",
        "https://app.example:65536/cb",
        "https://app.example:8080:80/cb",
        "https://app.example:x/cb",
        "https://2130706433/cb",
        "https://0x7f.1/cb",
        "https://127.1/cb",
        "https://1.2.3.256/cb",
        "https://1.2.3.04/cb",
        "https://example.0x1/cb",
        "https://[::1/cb",
        "https://[zz]/cb",
        "https://[]/cb",
        "https://[::1]]/cb",
        "https://[::1]x/cb",
        "https://[0:0:0:0:0:0:0:1]/cb",
        "https://[2001:DB8::1]/cb",
        "https://[fe80::1%25eth0]/cb",
        "https://[::ffff:127.0.0.1]/cb",
        "http://app.example/cb",
        "http://127.0.0.2/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "javascript:alert(1)",
        "JavaScript://app.example/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "ftp://app.example/cb",
        "ws://app.example/cb",
        "myapp:/cb",
        "myapp://cb",
        "myapp.:/cb",
        ".app:/cb",
        "com.example.app:",
        "com.example.app:?x=1",
        "com.example.app://user@host/cb",
        "COM.example.app:/cb",
        "1com.example:/cb",
        "https://app.example/" + "a" * 2048,
        "com.example.app://host:65536/cb",
        "com.example.app://[::1]/cb",
        "com.example.app://a:/cb",
        "com.example.app://:8000/cb",
        "com.example.app://a%20b/cb",
        "com.example.app:/a/../cb",
        "urn:ietf:wg:oauth:2.0:oob",
    ],
)
@pytest.mark.parametrize("client_type", ["regular_web", "native"])
def test_RU_34_what_browsers_and_we_could_read_differently_is_not_registered(
    uri: str, client_type: str
) -> None:
    with pytest.raises(RedirectUriRefused) as refused:
        check_registrable(uri, client_type=client_type)
    assert refused.value.reason.endswith(".")
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example/cb?x", "https://app.example"),
        ("https://app.example:443/cb", "https://app.example"),
        ("http://localhost:80/cb", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://app.example:80/cb", "https://app.example:80"),
        ("http://[::1]:8080/cb", "http://[::1]:8080"),
        ("com.example.app:/cb", None),
        ("https://user@app.example/cb", None),
        ("https:///cb", None),
        ("https://[::1/cb", None),
        ("/cb", None),
        ("", None),
        ("null", None),
    ],
)
def test_the_origin_is_what_a_browser_sends(uri: str, origin: str | None) -> None:
    assert origin_of(uri) == origin
