"""Claims about a person, by scope (OIDC Core §5.1, §5.4): the same for userinfo and ID token."""

from collections.abc import Callable, Collection
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
NAMES_OF_SCOPE: Final[dict[str, tuple[str, ...]]] = {
    "profile": (
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
SCOPE_OF_CLAIM: Final = {name: scope for scope, names in NAMES_OF_SCOPE.items() for name in names}
NAMES: Final = ("sub", *SCOPE_OF_CLAIM)


def of(user: User, scope: Scope) -> dict[str, Any]:
    """Without `sub`. Claims that the person has no value for are left out (§5.3.2)."""
    claims: dict[str, Any] = {}
    for name, claims_of in CLAIMS_OF_SCOPE.items():
        if name in scope:
            claims |= claims_of(user)
    return claims


def named(user: User, names: Collection[str]) -> dict[str, Any]:
    """Single claims, asked for by name (§5.5); here too those without a value are left out."""
    if not names:
        return {}
    claims = of(user, Scope(dict.fromkeys(SCOPE_OF_CLAIM[name] for name in names if name in SCOPE_OF_CLAIM)))
    return {name: value for name, value in claims.items() if name in names}
