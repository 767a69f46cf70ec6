"""What may be granted: requested and defined and within the client's grant and within the person's permissions."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from innkeeper.oauth.errors import InvalidScope, InvalidTarget
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import Client
from innkeeper.server.model.role import Role
from innkeeper.server.model.user import User

OIDC_SCOPES: Final = ("openid", "profile", "email", "address", "phone")
OFFLINE_ACCESS: Final = "offline_access"
"""Asks for a refresh token (OIDC Core §11). It belongs to the API it was asked with, or to none."""
RESERVED_SCOPES: Final = (*OIDC_SCOPES, OFFLINE_ACCESS)
"""Their meaning is OpenID Connect's, so no API may define them."""
NOT_FOR_MACHINES: Final = Scope(RESERVED_SCOPES)
_OIDC: Final = Scope(OIDC_SCOPES)
_OFFLINE: Final = Scope((OFFLINE_ACCESS,))


def requested(scope: Scope | None, api: Api | None) -> Scope:
    """What is asked for; without `scope`, the API's defaults (RFC 6749 §3.3). Unknown words are dropped (OIDC Core)."""
    if scope is None:
        return Scope(api.default_scope if api is not None else ())
    known = Scope.of(api.scope_values) if api is not None else Scope()
    oidc = _OIDC if "openid" in scope else Scope()
    offline = _OFFLINE if "openid" in scope or api is not None else Scope()
    return scope & (known | oidc | offline)


def has_offline_access(client: Client, api: Api | None) -> bool:
    """Whether this client may keep access while the person is away: it has the grant, and the API allows it."""
    return "refresh_token" in client.grant_types and (api is None or api.allow_offline_access)


def ceiling(api: Api, client: Client) -> Scope:
    """The most this client may have on this API for people. Raises `InvalidTarget` when it may not ask at all.

    A third-party client always needs a grant of its own (R-AP3); a first-party client where the API says so.
    """
    granted = client.scope_for(api.identifier)
    if api.user_access == "none":
        raise InvalidTarget("This API gives no access on behalf of people.")
    if granted is not None:
        return _within(granted, api.scopes)
    if api.user_access == "per_app" or not client.is_first_party:
        raise InvalidTarget("This app has no grant for the API it asked for.")
    return Scope.of(api.scope_values)


def permissions(user: User, api: Api, roles: Mapping[str, Role]) -> Scope:
    """Everything this person may do on this API, by roles and directly."""
    by_role = [permission for name in user.roles if name in roles for permission in roles[name].permissions]
    return Scope.of(tuple([p.scope for p in (*by_role, *user.permissions) if p.api == api.identifier]))


def held(user: User | None, *, client: Client, api: Api, roles: Mapping[str, Role]) -> Scope:
    """Everything that may be done on this API, asked for or not: by the person through this client, or by a machine.

    Never more than the client's ceiling: an app must not learn, or bring along, what it was not granted.
    """
    if user is None:
        return _within(client.scope_for(api.identifier) or (), api.scopes)
    return permissions(user, api, roles) & ceiling(api, client)


def grantable(
    wanted: Scope, *, api: Api | None, client: Client, user: User, roles: Mapping[str, Role]
) -> Scope:
    """Of what is wanted, what this person can give this client, consent apart."""
    oidc = NOT_FOR_MACHINES if has_offline_access(client, api) else _OIDC
    if api is None:
        return wanted & oidc
    allowed = ceiling(api, client)
    if api.enforce_rbac:
        allowed = allowed & permissions(user, api, roles)
    return wanted & (oidc | allowed)


def for_machine(scope: Scope | None, *, api: Api, client: Client) -> Scope:
    """Client credentials: all of the client's grant, or what is asked within it (R-CC3, R-CC4, R-CC8)."""
    granted = client.scope_for(api.identifier)
    if granted is None:
        raise InvalidTarget("This app has no grant for the API it asked for.")
    allowed = _within(granted, api.scopes)
    if scope is None:
        return allowed
    if scope & NOT_FOR_MACHINES:
        raise InvalidScope("A client acting for itself has no identity and no offline access to ask for.")
    if not scope <= allowed:
        raise InvalidScope("The scope goes beyond what this app was granted.")
    return scope


@lru_cache(maxsize=1024)
def _within(granted: tuple[str, ...], defined: tuple[ApiScope, ...]) -> Scope:
    """Kept, since it is the same for every request of a client until its record or the API's changes."""
    return Scope(granted) & Scope(scope.value for scope in defined)
