"""Who a request says it is, and whether that is proved, method by method."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.jose.hashes import sha256
from innkeeper.oauth.errors import InvalidClient, InvalidRequest, OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import ClientSecret
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.client_auth.base import Presented, is_secret_of
from tests.assertions import facts
from tests.world import SECRET, START, a_client, a_public_client


def form(**fields: str) -> Parameters:
    return Parameters.from_pairs(fields.items())


def header(text: str) -> tuple[str]:
    return ("Basic " + base64.b64encode(text.encode()).decode(),)


def test_a_bare_client_id_is_the_method_none() -> None:
    assert client_auth.identify((), form(client_id="spa")) == Presented(method="none", client_id="spa")


def test_id_and_secret_in_the_body_are_the_method_post() -> None:
    found = client_auth.identify((), form(client_id="web", client_secret="s"))
    assert found == Presented(method="client_secret_post", client_id="web", secret="s")


def test_a_basic_header_is_the_method_basic() -> None:
    found = client_auth.identify(header("web:s:t"), form())
    assert found == Presented(method="client_secret_basic", client_id="web", secret="s:t")


@pytest.mark.parametrize(
    ("text", "client_id", "secret"),
    [("a+b:c", "a b", "c"), ("a%3Ab:c%25", "a:b", "c%"), ("a:%C3%BC", "a", "ü"), ("a:b c", "a", "b c")],
)
def test_basic_is_form_decoded(text: str, client_id: str, secret: str) -> None:
    found = client_auth.identify(header(text), form())
    assert (found.client_id, found.secret) == (client_id, secret)


def test_an_empty_secret_is_an_absent_one() -> None:
    assert client_auth.identify((), form(client_id="spa", client_secret="")).method == "none"


@pytest.mark.parametrize(
    ("authorization", "fields", "error"),
    [
        ((), {}, InvalidClient),
        ((), {"client_secret": "s"}, InvalidClient),
        (("Basic !",), {}, InvalidClient),
        (("Bearer x",), {"client_id": "spa"}, InvalidClient),
        (header("web:s"), {"client_id": "web", "client_secret": "s"}, InvalidRequest),
        (header("web:s"), {"client_id": "other"}, InvalidRequest),
        ((*header("web:s"), *header("web:s")), {}, InvalidRequest),
    ],
)
def test_what_names_nobody_or_two_is_refused(
    authorization: tuple[str, ...], fields: dict[str, str], error: type[OAuthError]
) -> None:
    with pytest.raises(error):
        client_auth.identify(authorization, form(**fields))


def test_what_was_presented_prints_no_secret() -> None:
    assert "s3cret" not in repr(Presented(method="client_secret_post", client_id="web", secret="s3cret"))


CASES: list[tuple[str, dict[str, Any], str | None, bool]] = [
    ("client_secret_basic", {}, SECRET, True),
    ("client_secret_basic", {}, "wrong", False),
    ("client_secret_basic", {}, None, False),
    ("client_secret_post", {}, SECRET, False),
    ("client_secret_basic", {"is_enabled": False}, SECRET, False),
    ("client_secret_basic", {"secrets": ()}, SECRET, False),
    ("client_secret_post", {"token_endpoint_auth_method": "client_secret_post"}, SECRET, True),
    ("none", {}, None, False),
]


@pytest.mark.parametrize(("method", "changes", "secret", "is_proved"), CASES)
def test_only_the_registered_method_with_a_live_secret_proves(
    method: str, changes: dict[str, Any], secret: str | None, is_proved: bool
) -> None:
    client = a_client("web", **changes)
    presented = Presented(method=method, client_id="web", secret=secret)
    if is_proved:
        assert client_auth.verify(presented, client, facts(), origin=None) is client
        return
    with pytest.raises(InvalidClient) as refused:
        client_auth.verify(presented, client, facts(), origin=None)
    assert refused.value.description == client_auth.REFUSED


def test_a_public_client_proves_nothing_and_is_believed() -> None:
    spa = a_public_client("spa")
    presented = Presented(method="none", client_id="spa")
    assert client_auth.verify(presented, spa, facts(), origin="https://spa.example.test") is spa
    with pytest.raises(InvalidClient):
        client_auth.verify(presented, None, facts(), origin=None)


def test_a_secret_from_a_browser_is_refused_after_it_was_proved() -> None:
    presented = Presented(method="client_secret_basic", client_id="web", secret=SECRET)
    with pytest.raises(InvalidRequest):
        client_auth.verify(presented, a_client("web"), facts(), origin="https://web.example.test")


@pytest.mark.parametrize(
    ("client", "detail"),
    [
        (None, "unknown client"),
        (a_client("web"), "wrong secret"),
        (a_client("web", is_enabled=False), "client disabled"),
        (a_public_client("web"), "registered for none, used client_secret_basic"),
    ],
)
def test_the_reason_is_for_the_log_alone(client: Any, detail: str) -> None:
    presented = Presented(method="client_secret_basic", client_id="web", secret="wrong")
    with pytest.raises(InvalidClient) as refused:
        client_auth.verify(presented, client, facts(), origin=None)
    assert refused.value.detail == detail and refused.value.description == client_auth.REFUSED


def test_both_secrets_of_a_rotation_are_good_until_the_old_one_ends() -> None:
    ends_at = START + timedelta(minutes=1)
    old = ClientSecret(digest=sha256(b"old"), created_at=START, expires_at=ends_at)
    client = a_client("web", secrets=(old, ClientSecret(digest=sha256(b"new"), created_at=START)))
    assert is_secret_of("old", client, START) and is_secret_of("new", client, START)
    assert not is_secret_of("old", client, ends_at) and is_secret_of("new", client, ends_at)
    assert not is_secret_of("", client, START) and not is_secret_of("old", client_auth.NOBODY, START)
