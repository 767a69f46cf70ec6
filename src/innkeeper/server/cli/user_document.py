"""A person as they are shown: the registered claims' names (OIDC Core §5.1), and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from innkeeper.server.cli.roles import describe
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.user import User


def of(user: User) -> dict[str, Any]:
    """For programs."""
    permissions = [{"api": permission.api, "scope": permission.scope} for permission in user.permissions]
    document = {
        "sub": user.user_id,
        "username": user.username,
        "directory": user.directory,
        "email": user.email,
        "email_verified": user.email_verified,
        "phone_number": user.phone_number,
        "phone_number_verified": user.phone_number_verified,
        "address": msgspec.to_builtins(user.address),
        "roles": user.roles,
        "permissions": permissions,
        "is_enabled": user.is_enabled,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }
    return document | {"profile": msgspec.to_builtins(user.profile)}


def lines(user: User) -> dict[str, str | Sequence[str]]:
    """For `output.fields`."""
    return {
        "User": user.username,
        "sub": user.user_id,
        "Directory": user.directory,
        "State": state(user),
        "Name": user.profile.name or "-",
        "E-mail": _checked(user.email, user.email_verified),
        "Phone": _checked(user.phone_number, user.phone_number_verified),
        "Roles": ", ".join(user.roles) or "-",
        "Permissions": describe(user.permissions),
        "Created": f"{user.created_at:%Y-%m-%d %H:%M} UTC",
        "Changed": f"{user.updated_at:%Y-%m-%d %H:%M} UTC",
    }


def name(user: User) -> str:
    """As commands take it: with the directory, if it is not the default one."""
    return user.username if user.directory == DEFAULT_DIRECTORY else f"{user.directory}:{user.username}"


def state(user: User) -> str:
    """In one word."""
    return "enabled" if user.is_enabled else "disabled"


def _checked(value: str | None, is_verified: bool) -> str:
    if value is None:
        return "-"
    return value if is_verified else f"{value} (not verified)"
