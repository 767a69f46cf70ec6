"""`oauth.metadata`: the document and its addresses."""

from __future__ import annotations

import json

import pytest

from innkeeper.oauth.metadata import AuthorizationServerMetadata, well_known_urls

MINIMAL = AuthorizationServerMetadata(
    issuer="http://localhost:9000",
    authorization_endpoint="http://localhost:9000/authorize",
    token_endpoint="http://localhost:9000/oauth/token",
    jwks_uri="http://localhost:9000/.well-known/jwks.json",
    response_types_supported=("code",),
    grant_types_supported=("authorization_code",),
    code_challenge_methods_supported=("S256",),
    subject_types_supported=("public", "pairwise"),
    userinfo_signing_alg_values_supported=("RS256",),
    id_token_signing_alg_values_supported=("RS256",),
    token_endpoint_auth_methods_supported=("none",),
    authorization_response_iss_parameter_supported=True,
    request_uri_parameter_supported=False,
)


def test_a_member_that_is_not_set_is_left_out_and_false_is_said() -> None:
    document = json.loads(MINIMAL.to_json())
    assert None not in document.values()
    assert "userinfo_endpoint" not in document
    assert document["request_uri_parameter_supported"] is False
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("issuer", ["https://id.example", "https://id.example/"])
def test_an_issuer_without_a_path_has_two_addresses(issuer: str) -> None:
    assert well_known_urls(issuer) == (
        "https://id.example/.well-known/oauth-authorization-server",
        "https://id.example/.well-known/openid-configuration",
    )


@pytest.mark.parametrize("issuer", ["https://id.example:8443/a/b", "https://id.example:8443/a/b/"])
def test_an_issuer_with_a_path_has_three(issuer: str) -> None:
    assert well_known_urls(issuer) == (
        "https://id.example:8443/.well-known/oauth-authorization-server/a/b",
        "https://id.example:8443/.well-known/openid-configuration/a/b",
        "https://id.example:8443/a/b/.well-known/openid-configuration",
    )
