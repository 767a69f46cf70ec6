"""The guard in front of any ASGI application: Starlette, FastAPI, Litestar, Quart or none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from innkeeper.oauth.errors import OAuthError
from innkeeper.resource_server.guard import Guard, required_scope
from innkeeper.resource_server.refusal import Refusal, refusal

ASGIScope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[ASGIScope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008


class RequireScope:
    """Lets in what the guard lets in, with the token in `scope["state"]` (`request.state.access_token`).

    Answers of CORS must come before it: a browser's preflight request carries no token.

    >>> from starlette.applications import Starlette
    >>> from starlette.middleware import Middleware
    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.routing import Route
    >>> async def timesheets(request):
    ...     return PlainTextResponse(f"the timesheets of {request.state.access_token.subject}")
    >>> needs_read = Middleware(RequireScope, guard=guard, scope="read:timesheets")
    >>> app = Starlette(routes=[Route("/timesheets", timesheets, middleware=[needs_read])])
    """

    def __init__(self, app: ASGIApp, guard: Guard, scope: str | None = None) -> None:
        required_scope(scope)
        self._app = app
        self._guard = guard
        self._needed = scope

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            token = await self._guard.check(
                authorization_headers(scope["headers"]),
                scope=self._needed,
                query_string=scope.get("query_string", b""),
            )
        except OAuthError as error:
            await _send_refusal(refusal(error), scope, send)
            return
        state = {**scope.get("state", {}), "access_token": token}
        await self._app({**scope, "state": state}, receive, send)


def authorization_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Every Authorization header of an ASGI scope, for `Guard.check`.

    >>> authorization_headers([(b"host", b"localhost"), (b"authorization", b"Bearer abc")])
    ['Bearer abc']
    """
    return [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]


async def _send_refusal(answer: Refusal, scope: ASGIScope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    content = answer.content
    headers = {**answer.headers, "Content-Type": "application/json", "Content-Length": str(len(content))}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": content})
