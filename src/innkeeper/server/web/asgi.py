"""The front: one ASGI application that checks a request, finds its endpoint and sends the answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from innkeeper.server.config import Settings
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web import request_head
from innkeeper.server.web.client_address import AddressReader
from innkeeper.server.web.http import Endpoint, Request, Response
from innkeeper.server.web.refusals import MethodNotAllowed, NotFound, Refused, TooLarge, as_json, refusal
from innkeeper.server.web.request_head import CLOSE, MAX_BODY_BYTES
from innkeeper.server.web.security_headers import SecurityHeaders

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OnError = Callable[[Request, Exception], Response]

_EXPECTED: Final = (Refused, StoreUnavailable, Busy)
_ODD: Final = 0x9E3779B97F  # an odd factor visits all of 2^40 without telling how many requests there were
_log = logging.getLogger(__name__)


class ClientGone(Exception):
    """Nobody is there to be answered."""


class Front:
    """`routes` maps (method, path) to an endpoint; a GET route answers HEAD too.

    `startup` makes the services (or give `services`, where no lifespan runs). `on_error` turns what an
    endpoint raised, an unknown path or a wrong method into an answer: a page for people, JSON for machines.
    """

    def __init__(
        self,
        settings: Settings,
        routes: Mapping[tuple[str, str], Endpoint],
        *,
        services: Services | None = None,
        startup: Callable[[], Awaitable[Services]] | None = None,
        shutdown: Callable[[], Awaitable[None]] | None = None,
        on_error: OnError = as_json,
    ) -> None:
        self.services = services
        self._startup = startup
        self._shutdown = shutdown
        self._on_error = on_error
        self._routes = _by_path(routes)
        self._addresses = AddressReader(settings.listen.trusted_proxies)
        self._complete = SecurityHeaders(is_secure=settings.is_secure).complete
        self._process = os.urandom(2).hex()
        self._counter = int.from_bytes(os.urandom(5), "big")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "http":
            try:
                await self._send(scope, await self._answer(scope, receive), send)
            except ClientGone:
                return
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = scope["headers"]
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
        query: bytes = scope["query_string"]
        try:
            by_name = request_head.check(len(raw_path) + len(query), headers)
            methods = self._routes.get(raw_path)
            body = await _read(receive) if methods is not None and request_head.has_body(by_name) else b""
        except Refused as refused:
            return refusal(refused)
        method: str = scope["method"]
        peer = scope["client"]
        request = Request(
            method="GET" if method == "HEAD" else method,
            path=scope["path"],
            query=query,
            headers=tuple(headers),
            body=body,
            address=self._addresses.address(peer[0] if peer else "", headers),
            correlation_id=self._next_id(),
        )
        try:
            return await self._endpoint(methods, request.method)(request, self._ready())
        except Exception as error:
            return self._failed(request, error)

    def _endpoint(self, methods: Mapping[str, Endpoint] | None, method: str) -> Endpoint:
        if methods is None:
            raise NotFound("there is nothing here")
        endpoint = methods.get(method)
        if endpoint is None:
            raise MethodNotAllowed("this method is not for this path", (b"allow", _allow(methods)))
        return endpoint

    def _ready(self) -> Services:
        if self.services is None:
            raise StoreUnavailable("not started yet")
        return self.services

    def _failed(self, request: Request, error: Exception) -> Response:
        """Nothing of the exception reaches the body; the log has it under the request's id."""
        if not isinstance(error, _EXPECTED):
            named = {"error_id": request.correlation_id}
            _log.error("unhandled in %s", request.path, exc_info=error, extra=named)
        try:
            return self._on_error(request, error)
        except Exception as second:
            _log.error("while reporting", exc_info=second, extra={"error_id": request.correlation_id})
            return as_json(request, error)

    async def _send(self, scope: Scope, response: Response, send: Send) -> None:
        headers = self._complete(response)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    def _next_id(self) -> str:
        self._counter += 1
        return f"{self._process}{self._counter * _ODD & 0xFFFFFFFFFF:010x}"

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            action = self._start if kind == "lifespan.startup" else self._stop
            try:
                await action()
            except Exception as error:
                _log.error("%s failed", kind, exc_info=error)
                await send({"type": f"{kind}.failed", "message": str(error)})
                return
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _start(self) -> None:
        if self._startup is not None:
            self.services = await self._startup()

    async def _stop(self) -> None:
        if self._shutdown is not None:
            await self._shutdown()


async def _read(receive: Receive) -> bytes:
    """The body to its end, or `TooLarge`. How long it may take is the business of `connection.py`."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("the body is too large", CLOSE)
        if not message.get("more_body", False):
            return body


def _by_path(routes: Mapping[tuple[str, str], Endpoint]) -> dict[bytes, dict[str, Endpoint]]:
    table: dict[bytes, dict[str, Endpoint]] = {}
    for (method, path), endpoint in routes.items():
        table.setdefault(path.encode("ascii"), {})[method] = endpoint
    return table


def _allow(methods: Iterable[str]) -> bytes:
    offered = set(methods)
    return ", ".join(sorted(offered | {"HEAD"} if "GET" in offered else offered)).encode()
