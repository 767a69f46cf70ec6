"""An app as it is shown: for programs with the specifications' words, for people with ours. No digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from innkeeper.server.model.client import Client, ClientKey, ClientSecret


def of(client: Client) -> dict[str, Any]:
    """Registration metadata by its registered names (RFC 7591 §2), then what is ours."""
    return {
        "client_id": client.client_id,
        "client_name": client.name,
        "type": client.type,
        "is_first_party": client.is_first_party,
        "publisher": client.publisher,
        "is_enabled": client.is_enabled,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "allowed_origins": client.allowed_origins,
        "initiate_login_uri": client.initiate_login_uri,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "require_pkce": client.require_pkce,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "id_token_profile": client.id_token_profile,
        "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
        "subject_type": client.subject_type,
        "sector_identifier": client.sector_identifier,
        "keys": [
            {"kid": key.kid, "created_at": key.created_at, "expires_at": key.expires_at}
            for key in client.keys
        ],
        "jwks_uri": client.jwks_uri,
        "accepts_endpoint_audience": client.accepts_endpoint_audience,
        "guards": client.resource_server_of,
        "trusts_forwarded_for": client.trusts_forwarded_for,
        "allow_public_password_grant": client.allow_public_password_grant,
        "refresh": {
            "rotation": client.refresh.rotation,
            "overlap_s": int(client.refresh.overlap.total_seconds()),
            "idle_s": int(client.refresh.idle.total_seconds()),
            "absolute_s": int(client.refresh.absolute.total_seconds()),
            "apis": client.refresh.apis,
        },
        "api_grants": [{"api": grant.api, "scopes": grant.scope} for grant in client.api_grants],
        "secrets": [
            {"created_at": secret.created_at, "expires_at": secret.expires_at} for secret in client.secrets
        ],
        "created_at": client.created_at,
    }


def lines(client: Client) -> dict[str, str | Sequence[str]]:
    """For `output.fields`."""
    party = "first-party" if client.is_first_party else "third-party: people are always asked"
    return {
        "App": client.client_id,
        "Name": client.name,
        "Type": f"{client.type}, {party}",
        "State": "enabled" if client.is_enabled else "disabled",
        "Publisher": client.publisher or "-",
        "Callbacks": client.redirect_uris,
        "Logout callbacks": client.post_logout_redirect_uris,
        "Origins": client.allowed_origins,
        "Login URI": client.initiate_login_uri or "-",
        "Authenticates": _authentication(client),
        "PKCE": "required" if client.require_pkce else "not required",
        "ID tokens": f"{client.id_token_signed_response_alg}, "
        + ("with the profile" if client.id_token_profile else "without the profile"),
        "Userinfo": client.userinfo_signed_response_alg or "plain JSON",
        "Subjects": _subjects(client),
        "Refresh tokens": _refresh(client),
        "Grant types": " ".join(client.grant_types) or "-",
        "Guards": client.resource_server_of,
        "Passwords": _passwords(client),
        "APIs": [f"{grant.api}: {' '.join(grant.scope)}" for grant in client.api_grants],
        "Secrets": [_lasting(secret) for secret in client.secrets],
        "Keys": [f"{key.kid}: {_lasting(key)}" for key in client.keys] or client.jwks_uri or "-",
    }


def _authentication(client: Client) -> str:
    audience = ", may name an endpoint" if client.accepts_endpoint_audience else ""
    return client.token_endpoint_auth_method + audience


def _lasting(credential: ClientSecret | ClientKey) -> str:
    until = f", until {credential.expires_at:%Y-%m-%d %H:%M} UTC" if credential.expires_at else ""
    return f"since {credential.created_at:%Y-%m-%d %H:%M} UTC{until}"


def _subjects(client: Client) -> str:
    if client.subject_type == "public":
        return "public: the same for all apps"
    return f"pairwise, for {client.sector_identifier or 'the host of the callbacks'}"


def _passwords(client: Client) -> str:
    said = {
        "says where they come from": client.trusts_forwarded_for,
        "may take them without a secret": client.allow_public_password_grant,
    }
    return ", ".join(words for words, is_so in said.items() if is_so) or "-"


def _refresh(client: Client) -> Sequence[str]:
    if "refresh_token" not in client.grant_types:
        return ("-",)
    policy = client.refresh
    kind = f"rotating, {policy.overlap.total_seconds():g} s overlap" if policy.rotation else "not rotating"
    ends = f"{kind}; end after {_span(policy.idle)} unused, {_span(policy.absolute)} at most"
    return (ends, *(f"also for {api}" for api in policy.apis))


def _span(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} hours"
