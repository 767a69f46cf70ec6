"""Attacks by an app's `jwks_uri`: this server must not become anybody's way into its own network."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.client_keys import published_keys
from innkeeper.server.flows.foreign_documents import MAX_BYTES, DocumentRefused, ForeignDocuments
from innkeeper.server.protocol.foreign_address import ForeignAddressRefused
from tests.assertions import EC_KEY, OTHER_EC_KEY, T, assertion, by_assertion, let_sign, soon
from tests.attacks.client_endpoints import ENDPOINTS, ask, is_known
from tests.attacks.oracles import is_json_error
from tests.world import World, a_world

pytestmark = pytest.mark.anyio
PUBLIC = "93.184.215.14"
URL = "https://app.example.test/jwks.json"
EVERYWHERE = pytest.mark.parametrize("path", ENDPOINTS)


def jwks(*public: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(public)}).encode()


class Web:
    """Names, and what is behind each address. Everything that is asked for is remembered."""

    def __init__(
        self,
        *addresses: str,
        status: int = 200,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.addresses: list[Sequence[str]] = [addresses or (PUBLIC,)]
        self.status, self.headers = status, headers or {}
        self.body = jwks(EC_KEY.public_jwk) if body is None else body
        self.asked: list[httpx2.Request] = []
        self.names: list[str] = []
        self.sent = 0

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.names.append(host)
        return self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return httpx2.Response(self.status, headers=self.headers, content=self._chunks())

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(self.body), 10_000):
            self.sent += 10_000
            yield self.body[start : start + 10_000]

    def documents(self, *, is_dev: bool = False) -> ForeignDocuments:
        return ForeignDocuments(
            is_dev=is_dev, resolve=self.resolve, transport=httpx2.MockTransport(self.handle)
        )


async def test_SS_00_a_public_address_is_asked_and_under_its_own_name() -> None:
    web = Web()
    assert await web.documents().read(URL + "?v=1") == jwks(EC_KEY.public_jwk)
    [request] = web.asked
    assert str(request.url) == f"https://{PUBLIC}/jwks.json?v=1"
    assert request.headers["host"] == "app.example.test"
    assert request.extensions["sni_hostname"] == "app.example.test"


LOCAL = [
    "http://127.0.0.1:1/",
    "https://127.0.0.1/",
    "https://127.9.9.9/",
    "https://localhost/",
    "https://localhost./",
    "https://app.localhost/",
    "https://LOCALHOST/",
    "https://[::1]/",
    "https://0.0.0.0/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://metadata.google.internal/",
    "https://printer.local/",
]
MALFORMED = [
    "http://app.example.test/",
    "ftp://app.example.test/",
    "file:///etc/passwd",
    "gopher://app.example.test/",
    "https:///jwks",
    "https://user@app.example.test/",
    "https://user:pw@app.example.test/",
    "https://app.example.test/#x",
    "https://app.example.test\\@127.0.0.1/",
    "https://app.example.test/a b",
    "https://app.example.test/\r\nx: y",
    "https://app.example.test:99999/",
    "https://ä.example.test/",
    "https://app.example.test/" + "x" * 2100,
    "",
    "jwks.json",
]


@pytest.mark.parametrize("url", [*LOCAL, *MALFORMED])
async def test_SS_01_02_07_what_is_not_public_is_neither_registered_nor_asked(url: str) -> None:
    web = Web()
    with pytest.raises(ForeignAddressRefused):
        await web.documents().read(url)
    assert (len(web.asked), len(web.names)) == (0, 0)
    world = await a_world()
    if url:
        with pytest.raises(Refused):
            await clients.change(world.services, "cron", clients.ClientChanges(jwks_uri=url))


INSIDE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0",
    "64:ff9b::7f00:1", "fe80::1", "100.64.0.1", "2002:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_SS_04_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    for addresses in ((address,), (PUBLIC, address), (address, PUBLIC)):
        web = Web(*addresses)
        with pytest.raises(ForeignAddressRefused):
            await web.documents().read(URL)
        assert web.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
async def test_SS_04_other_spellings_of_this_machine_are_judged_by_where_they_lead(host: str) -> None:
    web = Web("127.0.0.1")
    with pytest.raises(ForeignAddressRefused):
        await web.documents().read(f"https://{host}/")
    assert web.asked == []


async def test_SS_05_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The name server says public first and private then."""
    web = Web()
    web.addresses = [(PUBLIC,), ("127.0.0.1",)]
    await web.documents().read(URL)
    assert len(web.names) == 1
    assert web.asked[0].url.host == PUBLIC
    with pytest.raises(ForeignAddressRefused):
        await web.documents().read(URL)
    assert len(web.asked) == 1


async def test_SS_06_no_redirect_is_followed() -> None:
    for status in (301, 302, 303, 307, 308):
        web = Web(status=status, headers={"location": "http://127.0.0.1/"})
        with pytest.raises(DocumentRefused):
            await web.documents().read(URL)
        assert len(web.asked) == 1


@pytest.mark.parametrize("size", [MAX_BYTES + 1, MAX_BYTES * 20])
async def test_SS_09_a_large_answer_is_not_read(size: int) -> None:
    web = Web(body=b"x" * size)
    with pytest.raises(DocumentRefused):
        await web.documents().read(URL)
    assert web.sent < MAX_BYTES + 20_000


async def test_SS_10_no_proxy_no_cookie_and_no_credential_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web = Web(headers={"set-cookie": "a=b"})
    documents = web.documents()
    for _ in range(2):
        await documents.read(URL)
    for request in web.asked:
        assert not {"cookie", "authorization", "proxy-authorization", "referer"} & set(request.headers)
        assert request.headers["accept-encoding"] == "identity"


async def test_SS_08_an_answer_that_never_comes_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innkeeper.server.flows.foreign_documents.TIMEOUT_S", 0.01)

    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    with pytest.raises(TimeoutError):
        await ForeignDocuments(is_dev=False, resolve=never).read(URL)


async def test_SS_01_a_development_server_asks_this_machine_and_still_no_other_private_one() -> None:
    web = Web("127.0.0.1")
    assert await web.documents(is_dev=True).read("http://localhost:3000/jwks")
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://app.example.test/"):
        with pytest.raises(ForeignAddressRefused):
            await web.documents(is_dev=True).read(url)
    web = Web("10.0.0.1")
    with pytest.raises(ForeignAddressRefused):
        await web.documents(is_dev=True).read(URL)


async def test_SS_05_the_certificate_is_judged_by_the_name_and_not_by_the_address(tmp_path: Path) -> None:
    """A real connection: this machine answers for somebody else's name, with a certificate nobody has signed."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    context.load_cert_chain(a_certificate(tmp_path))
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        documents = ForeignDocuments(is_dev=True, resolve=Web("127.0.0.1").resolve)
        with pytest.raises(httpx2.ConnectError):
            await documents.read(f"https://app.example.test:{port}/")
    assert names == ["app.example.test"]
    assert asked == []


def a_certificate(folder: Path) -> Path:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app.example.test")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, start, start.replace(year=2090))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("app.example.test")]), critical=False)
        .sign(private, SHA256())
    )
    file = folder / "certificate.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = private.private_bytes(pem, pkcs8, serialization.NoEncryption())
    file.write_bytes(key + made.public_bytes(pem))
    return file


# ------------------------------------------------------------ at the endpoints


class Published:
    """What the app has at its `jwks_uri`, and how often that was asked for."""

    def __init__(self, *public: dict[str, Any]) -> None:
        self.document: bytes | Exception = jwks(*public)
        self.times = 0

    async def read(self, url: str) -> bytes:
        assert url == URL
        self.times += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document


async def a_world_with(published: Published) -> World:
    world = await a_world(read_document=published.read)
    await let_sign(world, "cron", keys=(), jwks_uri=URL)
    return world


def by_other(now: int = T) -> dict[str, str]:
    text = assertion("cron", header={"kid": "other"}, sign=OTHER_EC_KEY, exp=now + 60, iat=now)
    return by_assertion(text)


@EVERYWHERE
async def test_SS_00_published_keys_prove_and_are_asked_for_once(path: str) -> None:
    published = Published(EC_KEY.public_jwk)
    world = await a_world_with(published)
    for _ in range(5):
        assert is_known(await ask(world, path, by_assertion(assertion("cron"))))
    assert published.times == 1


@EVERYWHERE
async def test_DO_14_a_storm_of_unknown_names_makes_one_fetch(path: str) -> None:
    published = Published(EC_KEY.public_jwk)
    world = await a_world_with(published)
    assert is_known(await ask(world, path, by_assertion(assertion("cron"))))
    world.clock.advance(seconds=31)
    now = soon(seconds=31)
    forms = [
        by_assertion(assertion("cron", header={"kid": f"k{number}"}, exp=now + 60, iat=now))
        for number in range(60)
    ]
    answers = list(await asyncio.gather(*(ask(world, path, form) for form in forms[:40])))
    answers += [await ask(world, path, form) for form in forms[40:]]
    for answer in answers:
        is_json_error(answer, 401, "invalid_client")
    assert published.times == 2
    assert is_known(await ask(world, path, by_assertion(assertion("cron", exp=now + 60, iat=now))))
    assert published.times == 2


@EVERYWHERE
async def test_DO_14_assertions_that_are_no_good_make_no_fetch(path: str) -> None:
    published = Published(EC_KEY.public_jwk)
    world = await a_world_with(published)
    for changes in ({"aud": "x"}, {"exp": T - 60}, {"jti": ...}, {"iss": "web"}):
        await ask(world, path, by_assertion(assertion("cron", **changes)))
    for alg in ("none", "ES384", "RS512", "HS256"):
        await ask(world, path, by_assertion(assertion("cron", header={"alg": alg})))
    await ask(world, path, by_assertion(assertion("nobody")))
    assert published.times == 0


@EVERYWHERE
async def test_SS_11_nothing_of_a_broken_answer_is_told(path: str) -> None:
    bodies: list[bytes | Exception] = [
        b"<html>canary</html>", b"[]", b'{"keys": 1}', b'{"keys": []}', b'{"keys":[1,2]}', b"\xff", b"",
        jwks(*({"kty": "EC", "kid": str(number)} for number in range(21))),
        jwks({"kty": "oct", "kid": "ec", "k": "c2VjcmV0"}),
        ForeignAddressRefused("canary"), TimeoutError("canary"), ssl.SSLError("canary"),
    ]  # fmt: skip
    told = set()
    for body in bodies:
        published = Published()
        published.document = body
        world = await a_world_with(published)
        answer = await ask(world, path, by_assertion(assertion("cron")))
        is_json_error(answer, 401, "invalid_client")
        told.add(answer.content)
        again = await ask(world, path, by_assertion(assertion("cron")))
        assert again.content == answer.content
        assert published.times == 1
    world = await a_world()
    told.add((await ask(world, path, by_assertion(assertion("nobody")))).content)
    assert len(told) == 1


async def test_a_new_key_is_found_and_an_old_one_ends_when_it_is_withdrawn() -> None:
    published = Published(EC_KEY.public_jwk)
    world = await a_world_with(published)
    assert is_known(await ask(world, "/oauth/token", by_assertion(assertion("cron"))))
    published.document = jwks(OTHER_EC_KEY.public_jwk)
    world.clock.advance(seconds=31)
    now = soon(seconds=31)
    assert is_known(await ask(world, "/oauth/token", by_other(now)))
    old = by_assertion(assertion("cron", exp=now + 60, iat=now))
    is_json_error(await ask(world, "/oauth/token", old), 401, "invalid_client")


async def test_an_address_that_is_down_leaves_the_keys_that_are_known() -> None:
    published = Published(EC_KEY.public_jwk)
    world = await a_world_with(published)
    assert is_known(await ask(world, "/oauth/token", by_assertion(assertion("cron"))))
    published.document = OSError("down")
    world.clock.advance(hours=1)
    now = soon(hours=1)
    assert is_known(await ask(world, "/oauth/token", by_assertion(assertion("cron", exp=now + 60, iat=now))))


async def test_a_single_key_without_a_name_is_good_for_assertions_without_one() -> None:
    unnamed = {name: value for name, value in EC_KEY.public_jwk.items() if name != "kid"}
    published = Published(unnamed)
    world = await a_world_with(published)
    text = assertion("cron", header={"kid": ...})
    assert is_known(await ask(world, "/oauth/token", by_assertion(text)))
    assert len(published_keys(jwks(unnamed))) == 1
