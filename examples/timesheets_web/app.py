"""Sign in, show who it is and what the app may do, call the API, sign out here: all with stock libraries."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from html import escape
from typing import Any

from authlib.integrations.starlette_client import OAuth, OAuthError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

SCOPE = "openid profile email read:timesheets create:timesheets delete:timesheets"
AUDIENCE = "https://api.exampleco.test/timesheets"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`api_url` is where the API lives, `audience` what it is called in tokens."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str = "http://localhost:8000/auth/callback"
    scope: str = SCOPE
    audience: str = AUDIENCE
    api_url: str = "http://localhost:9001"
    session_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Tokens stay on this side: the browser holds only the name of this record."""

    person: dict[str, Any]
    token: dict[str, Any]


class TimesheetsWeb:
    """The pages, the people who are signed in, and the client that signs them in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._people: dict[str, SignedIn] = {}
        oauth = OAuth()
        oauth.register(
            "innkeeper",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": settings.scope, "code_challenge_method": "S256"},
        )
        self._client = oauth.create_client("innkeeper")

    async def home(self, request: Request) -> Response:
        here = self._signed_in(request)
        if here is None:
            return page("Timesheets", '<p><a id="login" href="/login">Sign in</a></p>')
        name = here.person.get("name") or here.person["sub"]
        scope = here.token.get("scope", self._settings.scope)
        return page(
            "Timesheets",
            f'<p>Signed in as <b id="name">{escape(name)}</b>: <span id="scope">{escape(scope)}</span></p>'
            '<p><a id="timesheets" href="/timesheets">My timesheets</a></p>'
            '<form method="post" action="/logout"><button id="logout">Sign out</button></form>',
        )

    async def login(self, request: Request) -> Response:
        settings = self._settings
        answer: Response = await self._client.authorize_redirect(
            request, settings.redirect_uri, audience=settings.audience
        )
        return answer

    async def callback(self, request: Request) -> Response:
        try:
            token = await self._client.authorize_access_token(request)
        except OAuthError as error:
            return page("You are not signed in", f'<p id="error">{escape(error.error)}</p>', status=400)
        person = await self._client.userinfo(token=token)
        request.session.clear()
        request.session["id"] = secrets.token_urlsafe(32)
        self._people[request.session["id"]] = SignedIn(person=dict(person), token=dict(token))
        return RedirectResponse("/", status_code=303)

    async def timesheets(self, request: Request) -> Response:
        here = self._signed_in(request)
        if here is None:
            return RedirectResponse("/login", status_code=303)
        answer = await self._client.get(f"{self._settings.api_url}/timesheets", token=here.token)
        return page("My timesheets", f'<pre id="answer">{answer.status_code} {escape(answer.text)}</pre>')

    async def logout(self, request: Request) -> Response:
        """Here only: the issuer still knows the person."""
        self._people.pop(request.session.get("id", ""), None)
        request.session.clear()
        return RedirectResponse("/", status_code=303)

    def _signed_in(self, request: Request) -> SignedIn | None:
        return self._people.get(request.session.get("id", ""))


def create_app(settings: Settings) -> Starlette:
    web = TimesheetsWeb(settings)
    return Starlette(
        routes=[
            Route("/", web.home),
            Route("/login", web.login),
            Route("/auth/callback", web.callback),
            Route("/timesheets", web.timesheets),
            Route("/logout", web.logout, methods=["POST"]),
        ],
        middleware=[
            # Cookies ignore ports: each app on localhost needs a name of its own.
            Middleware(
                SessionMiddleware,
                secret_key=settings.session_secret,
                session_cookie=f"{settings.client_id}-session",
                same_site="lax",
            )
        ],
    )


def page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    text = f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})
