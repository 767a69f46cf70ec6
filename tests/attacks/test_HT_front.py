"""Attacks on the HTTP layer, over real sockets since the bytes matter: HT-01, 02, 05, 10, 11, 14."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from innkeeper.server.config import Listen, Settings
from tests.attacks.raw_http import CHUNKED, GET, HOST, POST, Listening, a_front
from tests.world import World, a_world, authorize_parameters

SETTINGS = Settings(issuer="https://id.example.test")
TRUSTING = Settings(issuer="https://id.example.test", listen=Listen(trusted_proxies=("127.0.0.1",)))


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with Listening(a_front(SETTINGS)) as listening:
        yield listening


@pytest.fixture(scope="module")
def trusting_server() -> Iterator[Listening]:
    with Listening(a_front(TRUSTING)) as listening:
        yield listening


@pytest.fixture
async def world() -> World:
    return await a_world()


def test_a_plain_request_is_answered_and_the_connection_kept(server: Listening) -> None:
    reply = server.ask(GET + b"\r\n")
    assert (reply.statuses, reply.was_closed) == ([200], False)


# ------------------------------------------------------------ HT-01: Host


@pytest.mark.parametrize(
    "head",
    [
        b"GET /page HTTP/1.1\r\n\r\n",
        b"GET /page HTTP/1.0\r\n\r\n",
        GET + HOST + b"\r\n",
        GET + b"Host: evil.example\r\n\r\n",
        GET + b"HOST: evil.example\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: good:80@evil\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: a\x01b\r\n\r\n",
        b"GET http://evil.example/page HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET https://id.example.test/page HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET page HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
def test_HT_01_a_missing_doubled_or_odd_host_or_a_foreign_target_is_refused(
    server: Listening, head: bytes
) -> None:
    reply = server.ask(head)
    assert (reply.statuses, reply.was_closed) == ([400], True)


async def test_HT_01_HT_04_under_any_host_the_issuer_is_the_configured_one(world: World) -> None:
    http = world.http()
    path = "/.well-known/openid-configuration"
    honest = await http.get(path)
    poisoned = await http.get(path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert poisoned.status_code == 200
    assert poisoned.content == honest.content
    assert poisoned.json()["issuer"] == world.issuer
    assert "evil" not in poisoned.text


async def test_HT_01_a_foreign_host_changes_no_link_and_no_cookie(world: World) -> None:
    parameters = authorize_parameters()
    answer = await world.http().get("/authorize", params=parameters, headers={"host": "evil.example"})
    assert answer.status_code == 303
    assert "evil" not in str(answer.headers)
    assert answer.headers["location"].startswith("/")
    assert "domain=" not in answer.headers["set-cookie"].lower()


# ------------------------------------------------------------ HT-02, HT-14: headers of proxies

SPOOFED = [
    b"X-Forwarded-For: 198.51.100.1",
    b"X-Forwarded-Host: evil.example",
    b"X-Forwarded-Proto: http",
    b"X-Forwarded-Prefix: /admin",
    b"X-Forwarded-Port: 1",
    b"Forwarded: for=198.51.100.1;host=evil.example;proto=http",
    b"X-Original-URL: /admin",
    b"X-Rewrite-URL: /admin",
    b"X_Forwarded_For: 198.51.100.1",
    b"X-Real-IP: 198.51.100.1",
    b"X-HTTP-Method-Override: POST",
    b"True-Client-IP: 198.51.100.1",
]


@pytest.mark.parametrize("header", SPOOFED, ids=lambda header: header.decode().partition(":")[0])
def test_HT_02_headers_of_proxies_from_a_stranger_change_nothing(server: Listening, header: bytes) -> None:
    told = server.ask(GET + header + b"\r\n\r\n").told
    assert told == {"path": "/page", "address": "127.0.0.1", "body": ""}


def test_HT_02_a_trusted_proxy_is_believed_about_the_address_alone(trusting_server: Listening) -> None:
    everything = b"\r\n".join(SPOOFED)
    assert trusting_server.ask(GET + everything + b"\r\n\r\n").told == {
        "path": "/page", "address": "198.51.100.1", "body": ""
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", [b"' OR 1=1", b"unknown", b"<script>alert(1)</script>", b"\xff\xfe", b"1.2.3.4.5.6"]
)
def test_HT_14_what_is_no_address_is_dropped(trusting_server: Listening, value: bytes) -> None:
    headers = b"X-Forwarded-For: " + value + b"\r\nX-Real-IP: " + value + b"\r\n"
    assert trusting_server.ask(GET + headers + b"\r\n").told["address"] == "127.0.0.1"


# ------------------------------------------------------------ HT-05: where a request ends


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nG", id="CL.TE"),
        pytest.param(POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", id="TE.CL"),
        pytest.param(b"GET /page HTTP/1.1\nHost: id.example.test\n\n", id="bare LF"),
        pytest.param(GET + b"X: a\nY: b\r\n\r\n", id="bare LF in a header"),
        pytest.param(GET + b"X: a\rY: b\r\n\r\n", id="bare CR in a header"),
        pytest.param(GET + b"X: a\r\n b\r\n\r\n", id="obs-fold"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="xchunked"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="not chunked at last"
        ),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="a second coding"),
        pytest.param(POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", id="two codings"),
        pytest.param(
            POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", id="chunked then identity"
        ),
        pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="space before the colon"),
        pytest.param(POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", id="CL twice"),
        pytest.param(POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", id="CL twice, different"),
        pytest.param(POST + b"Content-Length: 4, 4\r\n\r\nabcd", id="CL list"),
        pytest.param(POST + b"Content-Length: +4\r\n\r\nabcd", id="CL with a sign"),
        pytest.param(POST + b"Content-Length: 0x4\r\n\r\nabcd", id="CL in hex"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", id="CL below zero"),
        pytest.param(POST + b"Content-Length: 99999999999999999999999\r\n\r\n", id="CL beyond 64 bits"),
        pytest.param(POST + CHUNKED + b"\r\nzz\r\nabcd\r\n0\r\n\r\n", id="chunk size that is none"),
        pytest.param(POST + CHUNKED + b"\r\n4\r\nabcdX\r\n0\r\n\r\n", id="chunk longer than its size"),
        pytest.param(b"GET /page HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n", id="two versions"),
        pytest.param(b"GET /page HTTP/9.9\r\n" + HOST + b"\r\n", id="unknown version"),
        pytest.param(GET + b"X\x00Y: a\r\n\r\n", id="NUL in a name"),
        pytest.param(GET + b"X: a\x00b\r\n\r\n", id="NUL in a value"),
        pytest.param(GET + b": a\r\n\r\n", id="no name"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
def test_HT_05_a_request_whose_end_is_in_doubt_is_refused_and_the_connection_closed(
    server: Listening, data: bytes
) -> None:
    hidden = b"GET /admin HTTP/1.1\r\n" + HOST + b"\r\n"
    reply = server.ask(data + hidden)
    assert reply.was_closed
    assert reply.statuses[:1] == [400]
    assert 200 not in reply.statuses
    assert b"/admin" not in reply.data


def test_HT_05_honest_pipelining_is_answered_in_order(server: Listening) -> None:
    form = POST + b"Content-Length: 3\r\n\r\nabc" + POST + CHUNKED + b"\r\n3\r\ndef\r\n0\r\n\r\n"
    reply = server.ask(form + GET + b"\r\n", answers=3)
    assert reply.statuses == [200, 200, 200]
    assert reply.data.index(b'"abc"') < reply.data.index(b'"def"')


# ------------------------------------------------------------ HT-10, HT-11: paths


@pytest.mark.parametrize(
    "target",
    [
        b"//page",
        b"/page/",
        b"/page//",
        b"/%70age",
        b"/p%61ge",
        b"/%2e/page",
        b"/./page",
        b"/x/../page",
        b"/..;/page",
        b"/page;x",
        b"/page;a=b",
        b"/page%3Bx",
        b"/PAGE",
        b"/Page",
        b"/page%20",
        b"/page%00",
        b"/page%0a",
        b"/page.json",
        b"/page%2F",
        b"/page\\",
        b"\\page",
        b"/\xc3\xbcpage",
        b"/page%ff",
    ],
)
def test_HT_10_another_spelling_of_a_path_reaches_no_endpoint(server: Listening, target: bytes) -> None:
    reply = server.ask(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert reply.statuses in ([404], [400])
    assert b'"path"' not in reply.data


def test_HT_10_a_fragment_does_not_belong_in_a_target(server: Listening) -> None:
    assert server.ask(b"GET /page#x HTTP/1.1\r\n" + HOST + b"\r\n").statuses == [400]


FILES = [
    "/static/../config.py",
    "/static/..%2fconfig.py",
    "/static/%2e%2e/config.py",
    "/static/..%5cconfig.py",
    "/static/....//config.py",
    "/static//etc/passwd",
    "/static/%00",
    "/static/",
    "/static",
    "/.well-known/../admin",
    "/.well-known/%2e%2e/authorize",
    "/.well-known/",
    "/.well-known/openid-configuration/",
    "/.well-known/openid-configuration%00",
    "/../../etc/passwd",
]


async def test_HT_11_files_are_found_by_their_name_alone(world: World) -> None:
    with Listening(world.asgi) as listening:
        for path in FILES:
            reply = listening.ask(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
            assert reply.statuses == [404], path
            assert b"root:" not in reply.data and b"import " not in reply.data
