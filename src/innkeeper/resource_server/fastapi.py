"""The guard as a FastAPI dependency. Imported by `Guard.requires` when it is called, and by nothing else."""

# No `from __future__ import annotations`: FastAPI reads the annotations of the function made here.
from collections.abc import Awaitable, Callable

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from innkeeper.oauth.errors import OAuthError
from innkeeper.resource_server.access_token import AccessToken
from innkeeper.resource_server.refusal import refusal


def dependency(check: Callable[..., Awaitable[AccessToken]]) -> Callable[..., Awaitable[AccessToken]]:
    """`Guard.check` with its scope filled in, as a function that FastAPI can call. See `Guard.requires`."""

    async def access_token(connection: HTTPConnection) -> AccessToken:
        headers = connection.headers.getlist("authorization")
        try:
            return await check(headers, query_string=connection.scope.get("query_string", b""))
        except OAuthError as error:
            answer = refusal(error)
            raise HTTPException(answer.status, detail=answer.body, headers=answer.headers) from None

    return access_token
