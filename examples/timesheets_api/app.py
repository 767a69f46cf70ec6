"""The API: every line of its route table says which scope it needs; endpoints trust `token.subject`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from examples.timesheets_api.timesheets import Entry, OwnedEntry, Timesheets
from innkeeper.resource_server import AccessToken, Guard, RequireScope

AUDIENCE = "https://api.exampleco.test/timesheets"
MAX_BODY_BYTES = 256 * 1024
MAX_UPLOAD = 1000
LARGEST_ID = 2**63 - 1


def create_app(guard: Guard, file: Path | str, *, origins: tuple[str, ...] = ()) -> Starlette:
    """`origins` are the addresses of browser apps that may call this API from their own pages."""
    timesheets = Timesheets(file)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        timesheets.close()

    def route(method: str, path: str, endpoint: Callable[..., Any], scope: str | None = None) -> Route:
        protected = Middleware(RequireScope, guard=guard, scope=scope)
        return Route(path, endpoint, methods=[method], middleware=[protected])

    app = Starlette(
        routes=[
            route("GET", "/me", show_me),
            route("GET", "/timesheets", list_timesheets, "read:timesheets"),
            route("POST", "/timesheets", create_timesheet, "create:timesheets"),
            route("POST", "/timesheets/upload", upload_timesheets, "batch:upload"),
            route("DELETE", "/timesheets/{id:int}", delete_timesheet, "delete:timesheets"),
            route("GET", "/approvals", list_approvals, "approve:timesheets"),
            route("PUT", "/approvals/{id:int}", approve_timesheet, "approve:timesheets"),
        ],
        middleware=[
            # Outside of the guard: a browser's preflight request carries no token.
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "POST", "PUT", "DELETE"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["WWW-Authenticate"],
            ),
            Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES),
        ],
        exception_handlers={HTTPException: answer_http_error, Exception: answer_bug},
        lifespan=lifespan,
    )
    app.state.timesheets = timesheets
    return app


# ------------------------------------------------------------ endpoints


async def show_me(request: Request) -> Response:
    """For people: a machine that calls for itself has its `client_id` as its subject."""
    token = token_of(request)
    if token.subject in (token.client_id, f"{token.client_id}@clients"):
        raise HTTPException(403, "this is about a person, and the token is a machine's")
    me = {"sub": token.subject, "client_id": token.client_id, "scope": str(token.scope)}
    return as_json({**me, "expires_at": token.expires_at})


async def list_timesheets(request: Request) -> Response:
    return as_json({"timesheets": store_of(request).of(token_of(request).subject)})


async def create_timesheet(request: Request) -> Response:
    entry = await read_json(request, Entry)
    timesheet = store_of(request).add(token_of(request).subject, entry)
    return as_json(timesheet, status=201)


async def upload_timesheets(request: Request) -> Response:
    entries = await read_json(request, list[OwnedEntry])
    if len(entries) > MAX_UPLOAD:
        raise HTTPException(400, f"more than {MAX_UPLOAD} timesheets at once")
    return as_json({"uploaded": len(store_of(request).add_all(entries))})


async def delete_timesheet(request: Request) -> Response:
    if not store_of(request).delete(id_of(request), owner=token_of(request).subject):
        raise HTTPException(404, "you have no such timesheet")
    return Response(status_code=204)


async def list_approvals(request: Request) -> Response:
    return as_json({"approvals": store_of(request).waiting()})


async def approve_timesheet(request: Request) -> Response:
    approved = store_of(request).approve(id_of(request), approved_by=token_of(request).subject)
    if approved is None:
        raise HTTPException(404, "there is no such timesheet")
    return as_json(approved)


# ------------------------------------------------------------ what endpoints share


def token_of(request: Request) -> AccessToken:
    """The token that the guard put there."""
    token: AccessToken = request.state.access_token
    return token


def store_of(request: Request) -> Timesheets:
    timesheets: Timesheets = request.app.state.timesheets
    return timesheets


def id_of(request: Request) -> int:
    timesheet_id: int = request.path_params["id"]
    if timesheet_id > LARGEST_ID:
        raise HTTPException(404, "there is no such timesheet")
    return timesheet_id


async def read_json(request: Request, kind: Any) -> Any:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as cause:
        raise HTTPException(400, str(cause)) from None


def as_json(content: Any, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


async def answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(
        error.status_code, "bad_request"
    )
    answer = as_json({"error": code, "error_description": error.detail}, status=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def answer_bug(request: Request, error: Exception) -> Response:
    return as_json({"error": "server_error", "error_description": "this is our fault"}, status=500)
