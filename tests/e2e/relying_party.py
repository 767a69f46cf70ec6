"""A web app with Authlib's Starlette client that tells all it has learned, as JSON."""

from __future__ import annotations

from typing import Any

from authlib.integrations.starlette_client import OAuth, OAuthError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def create_app(*, issuer: str, client_id: str, client_secret: str, redirect_uri: str) -> Starlette:
    """`/login?scope=...&audience=...` starts, and the callback answers what came of it."""
    oauth = OAuth()
    oauth.register(
        "innkeeper",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"code_challenge_method": "S256"},
    )
    client = oauth.create_client("innkeeper")

    async def login(request: Request) -> Response:
        return await client.authorize_redirect(request, redirect_uri, **request.query_params)

    async def callback(request: Request) -> Response:
        came_back = dict(request.query_params)
        try:
            token = await client.authorize_access_token(request)
        except OAuthError as error:
            return JSONResponse({"error": error.error, "parameters": came_back}, status_code=400)
        userinfo = await client.userinfo(token=token)
        known: dict[str, Any] = {"token": token, "userinfo": userinfo, "parameters": came_back}
        return JSONResponse(known)

    # Cookies ignore ports: each app on localhost needs a name of its own.
    session = Middleware(SessionMiddleware, secret_key="test", session_cookie=f"{client_id}-session")
    routes = [Route("/login", login), Route("/auth/callback", callback)]
    return Starlette(routes=routes, middleware=[session])
