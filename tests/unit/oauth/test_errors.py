"""`oauth.errors`: registered codes, and descriptions that cannot break out of where they are put."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth import errors

REGISTERED = {
    "InvalidRequest": ("invalid_request", 400),
    "InvalidClient": ("invalid_client", 401),
    "InvalidGrant": ("invalid_grant", 400),
    "UnauthorizedClient": ("unauthorized_client", 400),
    "UnsupportedGrantType": ("unsupported_grant_type", 400),
    "UnsupportedResponseType": ("unsupported_response_type", 400),
    "InvalidScope": ("invalid_scope", 400),
    "InvalidTarget": ("invalid_target", 400),
    "AccessDenied": ("access_denied", 400),
    "LoginRequired": ("login_required", 400),
    "ConsentRequired": ("consent_required", 400),
    "InteractionRequired": ("interaction_required", 400),
    "AccountSelectionRequired": ("account_selection_required", 400),
    "UnmetAuthenticationRequirements": ("unmet_authentication_requirements", 400),
    "RequestNotSupported": ("request_not_supported", 400),
    "RequestUriNotSupported": ("request_uri_not_supported", 400),
    "RegistrationNotSupported": ("registration_not_supported", 400),
    "AuthorizationPending": ("authorization_pending", 400),
    "SlowDown": ("slow_down", 400),
    "ExpiredToken": ("expired_token", 400),
    "InvalidToken": ("invalid_token", 401),
    "InsufficientScope": ("insufficient_scope", 403),
    "ServerError": ("server_error", 500),
    "TemporarilyUnavailable": ("temporarily_unavailable", 503),
}


def test_there_is_one_class_per_registered_code_and_the_docstring_draws_them_all() -> None:
    found = {kind.__name__: (kind.code, kind.status) for kind in errors.OAuthError.__subclasses__()}
    assert found == REGISTERED
    assert errors.__doc__ is not None
    for name, (code, status) in REGISTERED.items():
        assert re.search(rf"── {name} +{code} +{status}\b", errors.__doc__), name


@given(st.text())
def test_no_description_leaves_the_character_set_of_rfc_6749(text: str) -> None:
    description = errors.InvalidRequest(text).description
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", description)
    assert len(description) <= errors.MAX_DESCRIPTION_CHARS


@pytest.mark.parametrize(
    ("sent", "public"),
    [
        ('the "state"', "the 'state'"),
        ("back\\slash", "back/slash"),
        ("line\r\nSet-Cookie: x", "line??Set-Cookie: x"),
        ("naïve", "na?ve"),
        ("<script>", "<script>"),
    ],
)
def test_descriptions_are_made_plain(sent: str, public: str) -> None:
    assert errors.InvalidRequest(sent).description == public


def test_the_detail_stays_out_of_the_text() -> None:
    error = errors.InvalidGrant("the code cannot be used", detail="redeemed twice by client 7")
    assert error.detail == "redeemed twice by client 7"
    assert str(error) == "invalid_grant: the code cannot be used"
    assert "client 7" not in repr(error)
    assert errors.InvalidGrant("x").detail is None


def test_an_untrusted_request_is_not_an_oauth_error() -> None:
    error = errors.UntrustedRequest("unknown_client", cause="no such client", fix="register it")
    assert (error.code, error.cause, error.fix) == ("unknown_client", "no such client", "register it")
    assert not isinstance(error, errors.OAuthError)
