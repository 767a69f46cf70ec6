"""CO-07: a callback that any app may claim is confirmed, first party or not (RFC 8252 §8.6, R-CN6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.attacks.oracles import is_html, is_redirect_error, no_row, redirected, still_works
from tests.visitor import Visitor
from tests.world import World, a_world

NATIVE_CALLBACKS = ("http://127.0.0.1:50001/callback", "com.example.app:/cb")
NATIVE_WEB = "https://app.example.test/cb"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await a_world()
    yield made
    await still_works(made)


@pytest.mark.parametrize("uri", NATIVE_CALLBACKS)
async def test_CO_07_a_callback_that_anyone_may_claim_is_confirmed(world: World, uri: str) -> None:
    """First-party, signed in already, nothing to consent to: any app could have opened this request."""
    visitor = Visitor(world)
    await visitor.code()
    with no_row(world):
        await visitor.authorize(client_id="native", redirect_uri=uri)
    page = is_html(visitor.response, status=200)
    assert "consent-allow" in page.ids and not page.scopes
    await visitor.submit("consent-allow")
    assert "code" in redirected(visitor.response, redirect_uri=uri)
    await visitor.authorize(client_id="native", redirect_uri=uri)
    assert "consent-allow" in visitor.page.ids, "each request is confirmed"


@pytest.mark.parametrize("uri", NATIVE_CALLBACKS)
async def test_CO_07_a_confirmation_can_be_refused(world: World, uri: str) -> None:
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(client_id="native", redirect_uri=uri, state="s")
    with no_row(world):
        answer = await visitor.submit("consent-deny")
    is_redirect_error(answer, "access_denied", redirect_uri=uri, state="s")


async def test_CO_07_who_has_just_signed_in_for_it_is_not_asked_again(world: World) -> None:
    visitor, uri = Visitor(world), NATIVE_CALLBACKS[0]
    await visitor.authorize(client_id="native", redirect_uri=uri)
    await visitor.sign_in()
    assert "code" in redirected(visitor.response, redirect_uri=uri)


async def test_CO_07_a_native_app_behind_an_https_address_is_known_by_it(world: World) -> None:
    await world.change("native", redirect_uris=(NATIVE_WEB,))
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(client_id="native", redirect_uri=NATIVE_WEB)
    assert "code" in redirected(visitor.response, redirect_uri=NATIVE_WEB)


async def test_CO_07_a_third_party_native_app_is_confirmed_after_it_was_allowed(world: World) -> None:
    uri = NATIVE_CALLBACKS[0]
    await world.change("native", is_first_party=False)
    visitor = Visitor(world)
    await visitor.authorize(client_id="native", redirect_uri=uri)
    await visitor.sign_in()
    await visitor.submit("consent-allow")
    await visitor.authorize(client_id="native", redirect_uri=uri)
    page = is_html(visitor.response, status=200)
    assert "consent-allow" in page.ids and not page.scopes
