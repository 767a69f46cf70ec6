"""Whatever bytes reach /authorize and our forms: no bug shows, and nobody is sent to an unregistered place."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innkeeper.server.protocol.response_types import RESPONSE_TYPES
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.routes import ROUTES
from tests.fronting import EVERYTHING_ON, FRONT_CALLBACK, FRONT_ORIGIN, a_front_client
from tests.visitor import Page
from tests.world import (
    ISSUER,
    SPA_ORIGIN,
    TIMESHEETS,
    WEB_CALLBACK,
    World,
    a_world,
    authorize_parameters,
    clients,
)

T = TypeVar("T")
REGISTERED = (FRONT_CALLBACK, *(uri for client in clients() for uri in client.redirect_uris))
ORIGINS = (FRONT_ORIGIN, SPA_ORIGIN)
OURS = ("/authorize?", "/sign-in?", "/consent?")
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
NAMES = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age",
    "code_challenge", "code_challenge_method", "audience", "resource", "request", "request_uri", "ui_locales",
    "login_hint", "registration", "interaction", "csrf", "action", "username", "password", "switch",
)  # fmt: skip
WORDS = (
    "web", "native", "paycheck", "cron", "disabled", *REGISTERED, "https://evil.example/", "javascript:x", "",
    "code", "token", "openid", "openid profile", "none", "login", "none login", "consent", "0", "-1", "9" * 18,
    "S256", "plain", TIMESHEETS, "query", "fragment",
    "form_post", "web_message", "front", "spa", "id_token", "code id_token", "id_token token code",
    "\u202e", "a\r\nb", "\0", "%", "allow", "sign_in",
)  # fmt: skip
names = st.sampled_from(NAMES) | st.text(max_size=8)
values = st.sampled_from(WORDS) | st.text(max_size=40)
pairs = st.lists(st.tuples(names, values), max_size=12)
soup = st.binary(max_size=200)
bounded = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


class House:
    """A world and a loop of its own: hypothesis calls plain functions, many times."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.world: World = self.run(
            a_world(dev=True, legacy=EVERYTHING_ON, extra_clients=(a_front_client(),))
        )

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def answer(self, method: str, path: str, *, query: bytes = b"", body: bytes = b"") -> Response:
        """Straight from the endpoint: what it raises is seen here, not turned into a 500."""
        request = Request(
            method=method, path=path, query=query, headers=FORM, body=body, address="203.0.113.7",
            correlation_id="c",
        )  # fmt: skip

        async def ask() -> Response:
            return await ROUTES[method, path](request, self.world.services)

        return self.run(ask())


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = House()
    yield made
    made.loop.close()


def leads_nowhere_else(response: Response) -> None:
    """No 5xx; a Location is a page of ours, or a registered URI with an answer that names us; so is a page's form."""
    assert response.status in (200, 303, 400, 403)
    location = dict(response.headers).get(b"location")
    if location is None:
        page = Page(response.body.decode())
        if "form-post-continue" in page.buttons:
            assert page.action in REGISTERED or (page.action or "").startswith("http://127.0.0.1:")
            is_an_error(page.fields)
        elif "web-message" in page.ids:
            assert page.origin in ORIGINS
            is_an_error(page.data)
        return
    assert response.status == 303
    text = location.decode("ascii")
    assert text.isprintable() and " " not in text
    if text.startswith(OURS):
        return
    home = [uri for uri in REGISTERED if text.startswith((f"{uri}?", f"{uri}&", f"{uri}#"))]
    loopback = text.startswith("http://127.0.0.1:") and re.search("/callback[?#]", text)
    assert home or loopback, text
    is_an_error(parse_qsl(re.split("[?#]", text, maxsplit=1)[1], keep_blank_values=True))


def is_an_error(answer: list[tuple[str, str]]) -> None:
    """Nobody is signed in, so there is nothing else to say."""
    assert ("iss", ISSUER) in answer and dict(answer)["error"]
    assert not dict(answer).keys() & {"code", "id_token", "access_token"}


@bounded
@given(soup)
def test_no_byte_soup_in_the_query_breaks_out(house: House, raw: bytes) -> None:
    leads_nowhere_else(house.answer("GET", "/authorize", query=raw))


@bounded
@given(soup)
def test_no_byte_soup_in_the_form_breaks_out(house: House, raw: bytes) -> None:
    leads_nowhere_else(house.answer("POST", "/authorize", body=raw))


@bounded
@given(soup)
def test_no_byte_soup_beside_a_good_request_breaks_out(house: House, raw: bytes) -> None:
    good = urlencode(authorize_parameters()).encode()
    for joined in (good + b"&" + raw, raw + b"&" + good, good + raw):
        leads_nowhere_else(house.answer("GET", "/authorize", query=joined))
        leads_nowhere_else(house.answer("POST", "/authorize", body=joined))


@bounded
@given(pairs, st.booleans())
def test_no_mixture_of_parameters_breaks_out(
    house: House, mixed: list[tuple[str, str]], with_good: bool
) -> None:
    good = [*authorize_parameters().items()] if with_good else []
    replaced = {name for name, _ in mixed}
    chosen = [pair for pair in good if pair[0] not in replaced] + mixed
    query = urlencode(chosen, errors="surrogatepass").encode()
    leads_nowhere_else(house.answer("GET", "/authorize", query=query))
    leads_nowhere_else(house.answer("POST", "/authorize", body=query))


@bounded
@given(pairs, soup)
def test_no_form_of_ours_breaks_out(house: House, mixed: list[tuple[str, str]], raw: bytes) -> None:
    body = urlencode(mixed, errors="surrogatepass").encode()
    for path in ("/sign-in", "/select-account", "/consent"):
        for sent in (body, raw, body + b"&" + raw):
            assert house.answer("POST", path, body=sent).status in (400, 403)
            leads_nowhere_else(house.answer("GET", path, query=sent))


@bounded
@given(
    st.sampled_from((*RESPONSE_TYPES, "token", "x")),
    st.sampled_from(("query", "fragment", "form_post", "web_message", "x", None)),
    st.sampled_from(("front", "web", "spa", "native", "paycheck")),
    st.text(max_size=40),
)
def test_whatever_way_is_asked_for_the_answer_is_one_of_ours(
    house: House, response_type: str, mode: str | None, client_id: str, state: str
) -> None:
    uri = next(
        (client.redirect_uris[0] for client in clients() if client.client_id == client_id), FRONT_CALLBACK
    )
    sent = authorize_parameters(
        client_id=client_id, redirect_uri=uri, response_type=response_type, response_mode=mode, prompt="none"
    )
    query = urlencode(sent | {"state": state}, errors="surrogatepass").encode()
    leads_nowhere_else(house.answer("GET", "/authorize", query=query))


@bounded
@given(st.text(min_size=1, max_size=300))
def test_any_state_comes_back_unchanged_or_not_at_all(house: House, state: str) -> None:
    try:
        query = urlencode(authorize_parameters(state=state, prompt="none"))
    except UnicodeEncodeError:  # a lone surrogate is no text that could be sent
        return
    response = house.answer("GET", "/authorize", query=query.encode())
    location = dict(response.headers).get(b"location")
    if location is None:
        assert response.status == 400
        assert any(character < " " or character == "\x7f" for character in state)
        return
    assert dict(parse_qsl(location.decode().partition("?")[2], keep_blank_values=True))["state"] == state


@bounded
@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_after_the_registered_uri_are_accepted(house: House, tail: bytes) -> None:
    sent = authorize_parameters(redirect_uri=None)
    query = f"{urlencode(sent)}&redirect_uri={quote_from_bytes(WEB_CALLBACK.encode() + tail, safe='')}"
    response = house.answer("GET", "/authorize", query=query.encode())
    assert response.status == 400 and b"location" not in dict(response.headers)
