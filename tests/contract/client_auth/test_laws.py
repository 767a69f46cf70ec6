"""Every member of `CLIENT_AUTH_METHODS` obeys the laws of the family, and the model knows the same names."""

from __future__ import annotations

from typing import get_args

import pytest

from innkeeper.oauth.errors import InvalidClient
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client, ClientAuthMethod
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.client_auth import CLIENT_AUTH_METHODS
from innkeeper.server.protocol.client_auth.base import ClientAuthMethod as Method
from innkeeper.server.protocol.client_auth.base import Presented
from tests.world import SECRET, START, a_client, a_public_client, basic

EVERY_METHOD = pytest.mark.parametrize("method", CLIENT_AUTH_METHODS, ids=lambda method: method.name)
# One request for each method; a method without a line here fails the first test.
REQUESTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "client_secret_basic": ([basic("web")["authorization"]], {}),
    "client_secret_post": ([], {"client_id": "web", "client_secret": SECRET}),
    "none": ([], {"client_id": "spa"}),
}
NOTHING = Parameters.from_pairs(())


def presented_by(name: str, method: Method) -> Presented | None:
    authorization, form = REQUESTS[name]
    return method.present(authorization, Parameters.from_pairs(form.items()))


def its_client(method: Method) -> Client:
    return a_public_client() if method.name == "none" else a_client(token_endpoint_auth_method=method.name)


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
    assert method.proves(presented, its_client(method), START)
    with pytest.raises(InvalidClient):
        client_auth.verify(presented, None, origin=None, now=START)


@EVERY_METHOD
def test_a_secret_that_was_presented_is_in_no_repr(method: Method) -> None:
    assert SECRET not in repr(presented_by(method.name, method))


def _takes(method: Method, name: str) -> bool:
    return presented_by(name, method) is not None
