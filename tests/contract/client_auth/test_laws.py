"""Every member of `CLIENT_AUTH_METHODS` obeys the laws of the family, and the model knows the same names."""

from __future__ import annotations

from typing import get_args

import pytest

from innkeeper.oauth.errors import InvalidClient, InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client, ClientAuthMethod
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.client_auth import CLIENT_AUTH_METHODS
from innkeeper.server.protocol.client_auth.base import ClientAuthMethod as Method
from innkeeper.server.protocol.client_auth.base import Presented
from tests.assertions import a_key, assertion, by_assertion, facts, secret_assertion
from tests.world import SECRET, a_client, a_public_client, basic

EVERY_METHOD = pytest.mark.parametrize("method", CLIENT_AUTH_METHODS, ids=lambda method: method.name)
# One request for each method; a method without a line here fails the first test.
REQUESTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "client_secret_basic": ([basic("web")["authorization"]], {}),
    "client_secret_post": ([], {"client_id": "web", "client_secret": SECRET}),
    "client_secret_jwt": ([], by_assertion(secret_assertion())),
    "private_key_jwt": ([], by_assertion(assertion())),
    "none": ([], {"client_id": "spa"}),
}
NOTHING = Parameters.from_pairs(())


def presented_by(name: str, method: Method) -> Presented | None:
    authorization, form = REQUESTS[name]
    return method.present(authorization, Parameters.from_pairs(form.items()))


def its_client(method: Method) -> Client:
    if method.name == "none":
        return a_public_client()
    return a_client(token_endpoint_auth_method=method.name, keys=(a_key(),))


def test_the_registry_the_model_and_these_laws_know_the_same_methods() -> None:
    names = [method.name for method in CLIENT_AUTH_METHODS]
    assert len(names) == len(set(names))
    assert set(names) == set(get_args(ClientAuthMethod)) == set(REQUESTS)


@EVERY_METHOD
def test_a_request_without_a_word_about_its_client_is_nobodys(method: Method) -> None:
    assert method.present([], NOTHING) is None


@EVERY_METHOD
def test_a_request_is_taken_by_one_method_alone(method: Method) -> None:
    takers = [other.name for other in CLIENT_AUTH_METHODS if _takes(other, method.name)]
    assert takers == [method.name]


@EVERY_METHOD
def test_it_proves_its_own_client_and_never_an_unknown_one(method: Method) -> None:
    presented = presented_by(method.name, method)
    assert presented is not None
    assert presented.method == method.name
    assert method.objection(presented, its_client(method), facts()) is None
    assert client_auth.verify(presented, its_client(method), facts(), origin=None) == its_client(method)
    with pytest.raises(InvalidClient):
        client_auth.verify(presented, None, facts(), origin=None)


@EVERY_METHOD
def test_what_a_browser_sends_is_believed_of_public_apps_alone(method: Method) -> None:
    presented = presented_by(method.name, method)
    assert presented is not None
    if method.name == "none":
        client_auth.verify(presented, its_client(method), facts(), origin="https://spa.example.test")
        return
    with pytest.raises(InvalidRequest):
        client_auth.verify(presented, its_client(method), facts(), origin="https://spa.example.test")


@EVERY_METHOD
@pytest.mark.parametrize("registered", CLIENT_AUTH_METHODS, ids=lambda method: method.name)
def test_an_app_proves_itself_by_its_registered_method_or_by_its_key(
    method: Method, registered: Method
) -> None:
    """And never by a weaker one: keys beside a secret are how an app changes over."""
    presented = presented_by(method.name, method)
    assert presented is not None
    client = its_client(registered)
    is_good = method is registered or (method.name == "private_key_jwt" and not client.is_public)
    if is_good:
        client_auth.verify(presented, client, facts(), origin=None)
        return
    with pytest.raises(InvalidClient):
        client_auth.verify(presented, client, facts(), origin=None)


@EVERY_METHOD
def test_two_methods_at_once_are_refused_whichever_they_are(method: Method) -> None:
    for other in CLIENT_AUTH_METHODS:
        pair = {method.name, other.name}
        # A bare client_id goes with everything, and one request has one client_assertion.
        if method is other or "none" in pair or pair == {"client_secret_jwt", "private_key_jwt"}:
            continue
        (one, form), (two, more) = REQUESTS[method.name], REQUESTS[other.name]
        with pytest.raises(InvalidRequest):
            client_auth.identify([*one, *two], Parameters.from_pairs((form | more).items()))


@EVERY_METHOD
def test_a_secret_that_was_presented_is_in_no_repr(method: Method) -> None:
    shown = repr(presented_by(method.name, method))
    assert SECRET not in shown
    assert not any(text in shown for text in REQUESTS[method.name][1].values() if len(text) > 60)


def _takes(method: Method, name: str) -> bool:
    return presented_by(name, method) is not None
