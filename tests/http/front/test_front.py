"""The front in this process: what reaches an endpoint, and what every answer carries."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from innkeeper.server.config import Listen, Settings
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web.asgi import Front, Message
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.request_head import MAX_BODY_BYTES

SERVICES = cast(Services, object())
HOST = (b"host", b"id.example")
Endpoint = Callable[[Request, Services], Awaitable[Response]]


@dataclass
class Answer:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    messages: int = 0

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Seen:
    """An endpoint that remembers its requests."""

    def __init__(self, answer: Response | Exception | None = None) -> None:
        self.requests: list[Request] = []
        self._answer = Response(body=b"seen") if answer is None else answer

    async def __call__(self, request: Request, services: Services) -> Response:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def a_front(endpoint: Endpoint, *, trusted: tuple[str, ...] = (), **arguments: Any) -> Front:
    settings = Settings(issuer="https://id.example", listen=Listen(trusted_proxies=trusted))
    routes = {("GET", "/page"): endpoint, ("POST", "/form"): endpoint, ("GET", "/form"): endpoint}
    return Front(settings, routes, **({"services": SERVICES} | arguments))


async def ask(
    front: Front,
    method: str = "GET",
    path: str = "/page",
    *,
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: list[Message] | None = None,
    client: tuple[str, int] | None = ("192.0.2.1", 4711),
) -> Answer:
    messages = iter(body or [])
    answer = Answer()

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        answer.messages += 1
        if message["type"] == "http.response.start":
            assert len(message["headers"]) == len(dict(message["headers"]))
            answer.status, answer.headers = message["status"], dict(message["headers"])
        else:
            answer.body += message["body"]

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [HOST, *(headers or [])] if headers is None or HOST not in headers else headers,
        "client": client,
    }
    await front(scope, receive, send)
    return answer


def a_piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_an_endpoint_sees_the_request_and_its_answer_is_sent_in_two_messages() -> None:
    seen = Seen(Response(status=201, headers=((b"content-type", b"text/plain"),), body=b"made"))
    headers = [(b"content-length", b"5"), (b"x", b"y")]
    answer = await ask(
        a_front(seen), "POST", "/form", query=b"a=1", headers=headers, body=[a_piece(b"hello")]
    )
    assert (answer.status, answer.body, answer.messages) == (201, b"made", 2)
    assert answer.headers[b"content-type"] == b"text/plain"
    [request] = seen.requests
    assert (request.method, request.path, request.query) == ("POST", "/form", b"a=1")
    assert (request.body, request.address) == (b"hello", "192.0.2.1")
    assert request.headers == (HOST, *headers)


async def test_a_body_in_pieces_is_read_to_its_end() -> None:
    seen = Seen()
    pieces = [a_piece(b"he", more=True), a_piece(b"", more=True), a_piece(b"llo")]
    await ask(a_front(seen), "POST", "/form", headers=[(b"transfer-encoding", b"chunked")], body=pieces)
    assert seen.requests[0].body == b"hello"


async def test_DO_01_a_body_that_does_not_end_is_cut_off() -> None:
    seen = Seen()
    pieces = [a_piece(b"x" * 1024, more=True) for _ in range(1000)]
    chunked = [(b"transfer-encoding", b"chunked")]
    answer = await ask(a_front(seen), "POST", "/form", headers=chunked, body=pieces)
    assert (answer.status, answer.json["error"]) == (413, "invalid_request")
    assert answer.headers[b"connection"] == b"close"
    assert not seen.requests


async def test_DO_01_a_body_of_exactly_the_cap_is_taken() -> None:
    seen = Seen()
    length = [(b"content-length", b"%d" % MAX_BODY_BYTES)]
    await ask(a_front(seen), "POST", "/form", headers=length, body=[a_piece(b"x" * MAX_BODY_BYTES)])
    assert len(seen.requests[0].body) == MAX_BODY_BYTES


async def test_a_client_that_hangs_up_gets_no_answer_and_reaches_no_endpoint() -> None:
    seen = Seen()
    pieces = [a_piece(b"x", more=True), {"type": "http.disconnect"}]
    answer = await ask(
        a_front(seen), "POST", "/form", headers=[(b"transfer-encoding", b"chunked")], body=pieces
    )
    assert answer.messages == 0
    assert not seen.requests


async def test_head_is_get_without_its_body() -> None:
    seen = Seen(Response(body=b"12345"))
    answer = await ask(a_front(seen), "HEAD")
    assert (answer.status, answer.body, answer.headers[b"content-length"]) == (200, b"", b"5")
    assert seen.requests[0].method == "GET"


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "get", "PROPFIND"])
async def test_another_method_is_told_which_ones_there_are(method: str) -> None:
    answer = await ask(a_front(Seen()), method, "/form")
    assert answer.status == 405
    assert answer.headers[b"allow"] == b"GET, HEAD, POST"


async def test_an_unknown_path_is_not_found_and_its_body_not_read() -> None:
    answer = await ask(a_front(Seen()), "POST", "/nothing", headers=[(b"content-length", b"5")])
    assert (answer.status, answer.json["error"]) == (404, "invalid_request")


async def test_every_answer_carries_the_safe_headers_whatever_went_wrong() -> None:
    front = a_front(Seen())
    answers = [
        await ask(front),
        await ask(front, "GET", "/nothing"),
        await ask(front, "PUT"),
        await ask(front, headers=[HOST, HOST]),
        await ask(a_front(Seen(ValueError()))),
        await ask(a_front(Seen(StoreUnavailable()))),
    ]
    assert [answer.status for answer in answers] == [200, 404, 405, 400, 500, 503]
    for answer in answers:
        assert answer.headers[b"cache-control"] == b"no-store"
        assert answer.headers[b"x-content-type-options"] == b"nosniff"
        assert b"frame-ancestors 'none'" in answer.headers[b"content-security-policy"]
        assert b"strict-transport-security" in answer.headers


@pytest.mark.parametrize("error", [StoreUnavailable("away"), Busy("full")])
async def test_what_passes_by_itself_is_503_with_a_time_to_wait(error: Exception) -> None:
    answer = await ask(a_front(Seen(error)))
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers[b"retry-after"]) > 0


async def test_a_bug_is_500_with_an_id_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen(ValueError("hunter2 in /srv/secret.py"))
    with caplog.at_level(logging.ERROR):
        answer = await ask(a_front(seen))
    [record] = caplog.records
    assert answer.status == 500
    assert (
        b"hunter2" not in answer.body and b"Traceback" not in answer.body and b"ValueError" not in answer.body
    )
    assert record.__dict__["error_id"] == seen.requests[0].correlation_id
    assert record.__dict__["error_id"].encode() in answer.body
    assert record.exc_info is not None


async def test_the_app_decides_what_an_error_looks_like() -> None:
    def on_error(request: Request, error: Exception) -> Response:
        return Response(status=418, body=type(error).__name__.encode())

    front = a_front(Seen(KeyError()), on_error=on_error)
    assert (await ask(front)).body == b"KeyError"
    assert (await ask(front, "GET", "/nothing")).body == b"NotFound"


async def test_a_broken_error_page_is_still_an_answer() -> None:
    def on_error(request: Request, error: Exception) -> Response:
        raise RuntimeError("the template is missing")

    answer = await ask(a_front(Seen(ValueError()), on_error=on_error))
    assert (answer.status, answer.json["error"]) == (500, "server_error")


async def test_every_request_has_an_id_of_its_own_that_does_not_count_aloud() -> None:
    seen = Seen()
    front = a_front(seen)
    for _ in range(200):
        await ask(front)
    ids = [request.correlation_id for request in seen.requests]
    assert len(set(ids)) == 200
    numbers = [int(text[4:], 16) for text in ids]
    assert not {after - before for before, after in itertools.pairwise(numbers)} & {1, 2}


async def test_HT_02_forwarded_addresses_are_read_from_trusted_proxies_only() -> None:
    seen = Seen()
    forwarded = [(b"x-forwarded-for", b"198.51.100.1")]
    await ask(a_front(seen), headers=forwarded)
    await ask(a_front(seen, trusted=("192.0.2.0/24",)), headers=forwarded)
    assert [request.address for request in seen.requests] == ["192.0.2.1", "198.51.100.1"]


async def test_a_client_without_an_address_is_served() -> None:
    seen = Seen()
    await ask(a_front(seen), client=None)
    assert seen.requests[0].address == ""


async def test_before_the_start_it_says_come_back() -> None:
    answer = await ask(a_front(Seen(), services=None))
    assert answer.status == 503


async def lifespan(front: Front) -> list[str]:
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Message:
        return cast(Message, next(incoming))

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await front({"type": "lifespan"}, receive, send)
    return sent


async def test_start_and_end_run_what_the_app_asked_for() -> None:
    ended: list[bool] = []

    async def startup() -> Services:
        return SERVICES

    async def shutdown() -> None:
        ended.append(True)

    front = a_front(Seen(), services=None, startup=startup, shutdown=shutdown)
    assert await lifespan(front) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert front.services is SERVICES
    assert ended == [True]


async def test_a_start_that_fails_is_told_to_the_server() -> None:
    async def startup() -> Services:
        raise OSError("no disk")

    assert await lifespan(a_front(Seen(), services=None, startup=startup)) == ["lifespan.startup.failed"]
