"""An app as it is shown: for programs with the specifications' words, for people with ours. No digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from innkeeper.server.model.client import Client


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
        "allowed_origins": client.allowed_origins,
        "initiate_login_uri": client.initiate_login_uri,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "require_pkce": client.require_pkce,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "id_token_profile": client.id_token_profile,
        "refresh": {
            "rotation": client.refresh.rotation,
            "overlap_s": int(client.refresh.overlap.total_seconds()),
            "idle_s": int(client.refresh.idle.total_seconds()),
            "absolute_s": int(client.refresh.absolute.total_seconds()),
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
        "Origins": client.allowed_origins,
        "Login URI": client.initiate_login_uri or "-",
        "Authenticates": client.token_endpoint_auth_method,
        "PKCE": "required" if client.require_pkce else "not required",
        "ID tokens": f"{client.id_token_signed_response_alg}, "
        + ("with the profile" if client.id_token_profile else "without the profile"),
        "Refresh tokens": _refresh(client),
        "Grant types": " ".join(client.grant_types) or "-",
        "APIs": [f"{grant.api}: {' '.join(grant.scope)}" for grant in client.api_grants],
        "Secrets": [
            f"since {secret.created_at:%Y-%m-%d %H:%M} UTC"
            + (f", until {secret.expires_at:%Y-%m-%d %H:%M} UTC" if secret.expires_at else "")
            for secret in client.secrets
        ],
    }


def _refresh(client: Client) -> str:
    if "refresh_token" not in client.grant_types:
        return "-"
    policy = client.refresh
    kind = f"rotating, {policy.overlap.total_seconds():g} s overlap" if policy.rotation else "not rotating"
    return f"{kind}; end after {_span(policy.idle)} unused, {_span(policy.absolute)} at most"


def _span(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} hours"
