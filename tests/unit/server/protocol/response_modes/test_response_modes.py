"""What each response mode delivers, where, and what it cannot reach."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from innkeeper.server.protocol.response_modes import (
    RESPONSE_MODES,
    Message,
    Redirection,
    SelfPostingForm,
    named,
)
from tests.world import a_client, a_public_client

SENT = [("code", "c"), ("state", "a b&c=d#e\"'<>"), ("iss", "https://id.example")]
CALLBACK = "https://app.example/cb?tenant=1"


def test_modes_are_found_by_their_exact_name() -> None:
    assert [mode.name for mode in RESPONSE_MODES] == ["query", "fragment", "form_post", "web_message"]
    for mode in RESPONSE_MODES:
        assert named(mode.name) is mode
    for other in ("Query", "fragment ", "form-post", "", "jwt"):
        assert named(other) is None


def test_only_the_query_may_not_carry_tokens() -> None:
    assert [mode.name for mode in RESPONSE_MODES if not mode.may_carry_tokens] == ["query"]


@pytest.mark.parametrize("uri", [CALLBACK, "https://app.example", "com.example.app:/cb", "http://[::1]:80/"])
def test_a_fragment_stands_behind_all_that_was_registered(uri: str) -> None:
    delivery = named("fragment")
    assert delivery is not None
    found = delivery.deliver(uri, SENT)
    assert isinstance(found, Redirection)
    before, _, fragment = found.location.partition("#")
    assert before == uri and found.location.isascii()
    assert parse_qsl(fragment, strict_parsing=True) == SENT


def test_a_form_goes_to_the_registered_address_with_the_values_as_they_are() -> None:
    mode = named("form_post")
    assert mode is not None
    assert mode.deliver(CALLBACK, SENT) == SelfPostingForm(action=CALLBACK, fields=tuple(SENT))


def test_a_message_goes_to_the_origin_of_the_registered_address() -> None:
    mode = named("web_message")
    assert mode is not None
    assert mode.deliver(CALLBACK, SENT) == Message(origin="https://app.example", fields=tuple(SENT))


@pytest.mark.parametrize("name", ["form_post", "web_message"])
@pytest.mark.parametrize("state", ["a\nb", "a\rb", "a\r\nb", "\n"])
def test_a_page_cannot_carry_a_state_with_line_breaks(name: str, state: str) -> None:
    mode = named(name)
    assert mode is not None
    client = a_client(allowed_origins=("https://app.example",))
    assert "line breaks" in (mode.refusal(CALLBACK, client, state) or "")
    assert mode.refusal(CALLBACK, client, "a b\t") is None
    assert mode.refusal(CALLBACK, client, None) is None


@pytest.mark.parametrize(
    ("uri", "is_reached"),
    [
        ("https://app.example/cb", True),
        ("http://127.0.0.1:8000/cb", True),
        ("http://[::1]:8000/cb", True),
        ("com.example.app:/cb", False),
        ("com.example.app://host/cb", False),
    ],
)
def test_a_form_needs_a_server_at_its_other_end(uri: str, is_reached: bool) -> None:
    mode = named("form_post")
    assert mode is not None
    assert (mode.refusal(uri, a_client(), None) is None) == is_reached


@pytest.mark.parametrize(
    ("uri", "origins"),
    [
        ("https://app.example/cb", ()),
        ("https://app.example/cb", ("https://other.example",)),
        ("https://app.example/cb", ("https://app.example:8443", "http://app.example")),
        ("https://app.example:8443/cb", ("https://app.example",)),
        ("https://app.example.evil/cb", ("https://app.example",)),
        ("com.example.app:/cb", ("null", "com.example.app")),
    ],
)
def test_a_message_needs_an_origin_that_was_registered(uri: str, origins: tuple[str, ...]) -> None:
    mode = named("web_message")
    assert mode is not None
    refusal = mode.refusal(uri, a_public_client(allowed_origins=origins), None)
    assert refusal is not None and "allowed origins" in refusal


def test_the_default_port_is_no_other_origin() -> None:
    mode = named("web_message")
    assert mode is not None
    client = a_public_client(allowed_origins=("https://app.example",))
    assert mode.refusal("https://app.example:443/cb", client, None) is None
