"""Locating a request, and the checks in their order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from innkeeper.oauth.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
    UntrustedRequest,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.config import Settings
from innkeeper.server.model.client import Client
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol import authorize, target
from innkeeper.server.protocol.authorize import CHECKS, AuthorizationRequest, validate
from innkeeper.server.protocol.target import client_id_of, locate
from tests.world import (
    ISSUER,
    PAYROLL,
    TIMESHEETS,
    WEB_CALLBACK,
    a_client,
    a_public_client,
    apis,
    authorize_parameters,
)

REGISTRY = RegistrySnapshot(epoch=1, apis={api.identifier: api for api in apis()}, roles={}, signing_keys={})
NO_PKCE: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}


def sent(*more: tuple[str, str], **changes: str | None) -> Parameters:
    return Parameters.from_pairs([*authorize_parameters(**changes).items(), *more])


def checked(
    *more: tuple[str, str], client: Client | None = None, default: str | None = None, **changes: str | None
) -> AuthorizationRequest:
    parameters, client = sent(*more, **changes), client or a_client()
    settings = Settings(issuer=ISSUER, default_audience=default)
    return validate(parameters, locate(parameters, client), REGISTRY, settings)


def code_of(parameters: Parameters, client: Client | None) -> str:
    with pytest.raises(UntrustedRequest) as refused:
        locate(parameters, client)
    return refused.value.code


# ------------------------------------------------------------ locate


def test_the_client_id_is_the_one_that_was_sent() -> None:
    assert client_id_of(sent()) == "web"
    for parameters, code in (
        (sent(client_id=None), "missing_client_id"),
        (sent(client_id=""), "missing_client_id"),
        (sent(("client_id", "web")), "repeated_client_id"),
    ):
        with pytest.raises(UntrustedRequest) as refused:
            client_id_of(parameters)
        assert refused.value.code == code


def test_a_good_request_is_located() -> None:
    target = locate(sent(state="s"), a_client())
    assert (target.redirect_uri, target.redirect_uri_sent) == (WEB_CALLBACK, WEB_CALLBACK)
    assert (target.state, target.response_mode) == ("s", "query")


def test_an_unknown_and_a_disabled_client_look_the_same() -> None:
    assert code_of(sent(), None) == code_of(sent(), a_client(is_enabled=False)) == "unknown_client"


def test_the_redirect_uri_is_proven_before_anything_else_is_looked_at() -> None:
    assert code_of(sent(redirect_uri=f"{WEB_CALLBACK}/"), a_client()) == "redirect_uri_not_registered"
    assert code_of(sent(("redirect_uri", WEB_CALLBACK)), a_client()) == "repeated_redirect_uri"
    wrong = sent(redirect_uri="x", response_type=None, prompt="none", scope=None)
    assert code_of(wrong, a_client()) == "redirect_uri_not_registered"


def test_what_is_too_large_to_travel_is_not_sent_back_either() -> None:
    size = target.MAX_PARAMETERS_BYTES
    room = size - sum(len(n.encode()) + len(v.encode()) for n, v in sent(state=None).pairs) - len("state")
    assert locate(sent(state="s" * room), a_client()).state == "s" * room
    assert code_of(sent(state="s" * (room + 1)), a_client()) == target.TOO_LARGE
    assert code_of(sent(state="\u00e9" * (room // 2 + 1)), a_client()) == target.TOO_LARGE


@pytest.mark.parametrize(
    ("scope", "registered", "is_located"),
    [
        (None, 1, True),
        ("profile", 1, True),
        ("openid", 1, False),
        ("profile openid", 1, False),
        (None, 2, False),
        (None, 0, False),
    ],
)
def test_R_AZ2_when_the_redirect_uri_may_be_left_out(
    scope: str | None, registered: int, is_located: bool
) -> None:
    client = a_client(redirect_uris=(WEB_CALLBACK, "https://web.example.test/2")[:registered])
    parameters = sent(redirect_uri=None, scope=scope)
    if is_located:
        target = locate(parameters, client)
        assert (target.redirect_uri, target.redirect_uri_sent) == (WEB_CALLBACK, None)
    else:
        assert code_of(parameters, client) == "missing_redirect_uri"


def test_the_loopback_port_is_free_for_native_apps_only() -> None:
    uri: dict[str, Any] = {"redirect_uris": ("http://127.0.0.1/callback",)}
    parameters = sent(redirect_uri="http://127.0.0.1:9999/callback")
    located = locate(parameters, a_public_client("native", type="native", **uri))
    assert located.redirect_uri == "http://127.0.0.1:9999/callback"
    assert code_of(parameters, a_public_client(**uri)) == "redirect_uri_not_registered"
    assert code_of(parameters, a_client(**uri)) == "redirect_uri_not_registered"


def test_a_repeated_state_is_not_returned() -> None:
    assert locate(sent(("state", "b"), state="a"), a_client()).state is None


@pytest.mark.parametrize("mode", ["web_message", "form_post ", "x"])
def test_an_impossible_response_mode_is_reported_in_the_default_one(mode: str) -> None:
    assert locate(sent(response_mode=mode), a_client()).response_mode == "query"
    assert locate(sent(("response_mode", mode), response_mode="query"), a_client()).response_mode == "query"


# ------------------------------------------------------------ checks

WRONG: dict[str, tuple[dict[str, Any], type[OAuthError]]] = {
    "request": ({"request": "x"}, RequestNotSupported),
    "request_uri": ({"request_uri": "x"}, RequestUriNotSupported),
    "registration": ({"registration": "{}"}, RegistrationNotSupported),
    "no response_type": ({"response_type": None}, InvalidRequest),
    "unknown response_type": ({"response_type": "x"}, UnsupportedResponseType),
    "implicit": ({"response_type": "token"}, UnsupportedResponseType),
    "response_mode": ({"response_mode": "x"}, InvalidRequest),
    "no PKCE": (NO_PKCE, InvalidRequest),
    "plain": ({"code_challenge_method": "plain"}, InvalidRequest),
    "no method": ({"code_challenge_method": None}, InvalidRequest),
    "short challenge": ({"code_challenge": "x"}, InvalidRequest),
    "empty challenge": ({"code_challenge": ""}, InvalidRequest),
    "scope": ({"scope": "a  b"}, InvalidScope),
    "unknown API": ({"audience": "https://x.example"}, InvalidTarget),
    "two APIs": ({"audience": TIMESHEETS, "resource": PAYROLL}, InvalidTarget),
    "nonce": ({"nonce": "n" * 1025}, InvalidRequest),
    "prompt": ({"prompt": "x"}, InvalidRequest),
    "none and more": ({"prompt": "none login"}, InvalidRequest),
    "max_age": ({"max_age": "-1"}, InvalidRequest),
    "long max_age": ({"max_age": "1" * 19}, InvalidRequest),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_each_check_says_no_by_its_registered_code(wrong: str) -> None:
    changes, error = WRONG[wrong]
    with pytest.raises(error) as refused:
        checked(**changes)
    assert type(refused.value) is error


@pytest.mark.parametrize("name", ["response_type", "scope", "prompt", "audience", "unknown"])
def test_a_repetition_is_refused_before_any_value_is_looked_at(name: str) -> None:
    with pytest.raises(InvalidRequest, match="more than once"):
        checked((name, "a"), (name, "b"), response_type="x")


def test_only_resource_may_be_repeated_and_then_for_one_api() -> None:
    assert checked(("resource", TIMESHEETS), ("resource", TIMESHEETS)).api is not None
    with pytest.raises(InvalidTarget):
        checked(("resource", TIMESHEETS), ("resource", PAYROLL))


def test_a_response_type_must_be_the_clients() -> None:
    with pytest.raises(UnauthorizedClient):
        checked(client=a_client(response_types=()))


@pytest.mark.parametrize(
    ("client", "is_exempt"),
    [
        (a_client(), False),
        (a_client(require_pkce=False), True),
        (a_public_client(redirect_uris=(WEB_CALLBACK,)), False),
        (a_public_client(redirect_uris=(WEB_CALLBACK,), require_pkce=False), False),
    ],
    ids=["confidential", "exempt", "public", "public record that says exempt"],
)
def test_R_PK2_pkce_may_be_left_out_by_an_exempt_confidential_client_only(
    client: Client, is_exempt: bool
) -> None:
    if is_exempt:
        assert checked(client=client, **NO_PKCE).code_challenge is None
    else:
        with pytest.raises(InvalidRequest):
            checked(client=client, **NO_PKCE)


def test_an_exempt_client_that_begins_pkce_has_to_do_it_well() -> None:
    for changes in ({"code_challenge": None}, {"code_challenge": ""}, {"code_challenge_method": None}):
        with pytest.raises(InvalidRequest):
            checked(client=a_client(require_pkce=False), **changes)


def test_no_repetition_is_the_first_check() -> None:
    assert CHECKS[0] is authorize.no_repetition


# ------------------------------------------------------------ the request


def test_a_request_that_passed_says_what_was_asked() -> None:
    request = checked(
        audience=TIMESHEETS, scope="openid read:timesheets unknown", prompt="login consent", max_age="60",
        ui_locales="de", nonce="n",
    )  # fmt: skip
    assert request.scope == Scope(("openid", "read:timesheets"))
    assert request.api is not None and request.api.identifier == TIMESHEETS
    assert request.prompt == {"login", "consent"}
    assert request.max_age == timedelta(seconds=60)
    assert (request.nonce, request.ui_locales) == ("n", "de")
    assert str(request.response_type) == "code"


def test_a_huge_max_age_is_bounded() -> None:
    assert checked(max_age="9" * 18).max_age == timedelta(seconds=authorize.MAX_AGE_LIMIT_S)


@pytest.mark.parametrize(
    ("asked", "default", "named"),
    [
        ({}, None, None),
        ({}, TIMESHEETS, TIMESHEETS),
        ({"audience": PAYROLL}, TIMESHEETS, PAYROLL),
        ({"resource": PAYROLL}, None, PAYROLL),
        ({"audience": PAYROLL, "resource": PAYROLL}, None, PAYROLL),
        ({"audience": ""}, TIMESHEETS, TIMESHEETS),
    ],
)
def test_R_AZ8_9_which_api_is_meant(asked: dict[str, Any], default: str | None, named: str | None) -> None:
    api = checked(default=default, **asked).api
    assert (None if api is None else api.identifier) == named


def test_an_app_may_not_ask_for_an_api_it_has_no_grant_for() -> None:
    with pytest.raises(InvalidTarget):
        checked(client=a_client(is_first_party=False), audience=TIMESHEETS)
