"""An API as it is shown: for programs, and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from innkeeper.server.model.api import Api


def of(api: Api) -> dict[str, Any]:
    """For `--json`."""
    return {
        "identifier": api.identifier,
        "name": api.name,
        "scopes": [{"value": scope.value, "description": scope.description} for scope in api.scopes],
        "default_scope": api.default_scope,
        "signing_alg": api.signing_alg,
        "access_token_lifetime_s": int(api.access_token_lifetime.total_seconds()),
        "token_format": api.token_format,
        "token_profile": api.token_profile,
        "permissions_claim": api.permissions_claim,
        "allow_offline_access": api.allow_offline_access,
        "skip_consent": api.skip_consent,
        "enforce_rbac": api.enforce_rbac,
        "user_access": api.user_access,
        "created_at": api.created_at,
    }


def lines(api: Api) -> dict[str, str | Sequence[str]]:
    """For `output.fields`."""
    return {
        "API": api.identifier,
        "Name": api.name,
        "Scopes": [f"{scope.value}  {scope.description}".rstrip() for scope in api.scopes],
        "Default scope": " ".join(api.default_scope) or "-",
        "Tokens": _tokens(api),
        "Token lifetime": f"{api.access_token_lifetime.total_seconds():.0f} s",
        "Offline access": "allowed" if api.allow_offline_access else "no",
        "Consent": "skipped for first-party apps" if api.skip_consent else "always asked",
        "RBAC": "on" if api.enforce_rbac else "off",
        "User access": api.user_access,
    }


def _tokens(api: Api) -> str:
    if api.token_format == "opaque":
        return "opaque, asked about at /oauth/introspect"
    permissions = ", with the permissions" if api.permissions_claim else ""
    return f"JWT, {api.signing_alg}, profile {api.token_profile}{permissions}"
