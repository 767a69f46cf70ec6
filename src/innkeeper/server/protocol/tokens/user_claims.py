"""Claims about a person, by scope (OIDC Core §5.1, §5.4): the same for userinfo and ID token."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.user import User


def _profile(user: User) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.to_builtins(user.profile)
    return {**claims, "preferred_username": user.username, "updated_at": int(user.updated_at.timestamp())}


def _email(user: User) -> dict[str, Any]:
    return {} if user.email is None else {"email": user.email, "email_verified": user.email_verified}


def _address(user: User) -> dict[str, Any]:
    return {} if user.address is None else {"address": msgspec.to_builtins(user.address)}


def _phone(user: User) -> dict[str, Any]:
    if user.phone_number is None:
        return {}
    return {"phone_number": user.phone_number, "phone_number_verified": user.phone_number_verified}


CLAIMS_OF_SCOPE: Final[dict[str, Callable[[User], dict[str, Any]]]] = {
    "profile": _profile,
    "email": _email,
    "address": _address,
    "phone": _phone,
}
NAMES: Final = (
    "sub", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "address",
    "phone_number", "phone_number_verified",
)  # fmt: skip


def of(user: User, scope: Scope) -> dict[str, Any]:
    """Without `sub`. Claims that the person has no value for are left out (§5.3.2)."""
    claims: dict[str, Any] = {}
    for name, claims_of in CLAIMS_OF_SCOPE.items():
        if name in scope:
            claims |= claims_of(user)
    return claims
