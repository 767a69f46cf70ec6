"""APIs and their scopes (R-SC1): the identifier is the audience of access tokens and never changes."""

import re
from datetime import timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.oauth.errors import InvalidScope
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import Client, SigningAlgorithm
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.protocol.effective_scope import RESERVED_SCOPES
from innkeeper.server.storage.outcomes import Conflict, Missing

MAX_IDENTIFIER_CHARS: Final = 255
LONGEST_LIFETIME: Final = timedelta(days=30)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9+.-]*:[\x21\x23-\x5b\x5d-\x7e]+")


class ApiChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves a value as it is."""

    name: str | None = None
    add_scopes: tuple[ApiScope, ...] = ()
    remove_scopes: tuple[str, ...] = ()
    default_scope: tuple[str, ...] | None = None
    signing_alg: SigningAlgorithm | None = None
    access_token_lifetime: timedelta | None = None
    allow_offline_access: bool | None = None
    token_format: Literal["jwt", "opaque"] | None = None
    token_profile: Literal["rfc9068", "auth0"] | None = None
    permissions_claim: bool | None = None
    skip_consent: bool | None = None
    enforce_rbac: bool | None = None
    user_access: Literal["all", "per_app", "none"] | None = None


async def find(services: Services, identifier: str) -> Api:
    """The API, or `Refused` with the remedy."""
    api = await services.store.apis.get(ApiIdentifier(identifier))
    if api is None:
        raise Refused(f"There is no API {identifier!r}. `innkeeper api list` shows them.")
    return api


async def create(services: Services, api: Api) -> Api:
    """Effective on the running server within one second."""
    _check_identifier(api.identifier, services.settings.issuer)
    _check(api)
    api = with_changes(api, created_at=services.clock.now())
    events = changed(services, "api", api.identifier, "created")
    if isinstance(await services.store.apis.create(api, events=events), Conflict):
        raise Refused(f"The API {api.identifier!r} exists already. `innkeeper api change` changes it.")
    return api


async def change(services: Services, identifier: str, changes: ApiChanges) -> Api:
    """A scope that a role or an app still has is not removed: it would come back to life with its name."""
    for scope in changes.remove_scopes:
        used = await users_of(services, identifier, scope)
        if used:
            raise Refused(f"{scope} is still given by {', '.join(used)}. Take it away there first.")

    def decide(api: Api) -> Api:
        after = _applied(api, changes)
        _check(after)
        return after

    return await replace(
        services.store,
        lambda: find(services, identifier),
        decide,
        lambda api: services.store.apis.replace(api, events=changed(services, "api", identifier, "changed")),
    )


async def delete(services: Services, identifier: str) -> None:
    """Only an API that nobody uses any more."""
    await find(services, identifier)
    used = await users_of(services, identifier)
    if used:
        raise Refused(f"{identifier} is still used by {', '.join(used)}. Take it away there first.")
    events = changed(services, "api", identifier, "deleted")
    if isinstance(await services.store.apis.delete(ApiIdentifier(identifier), events=events), Missing):
        raise Refused(f"There is no API {identifier!r}.")


async def users_of(services: Services, identifier: str, scope: str | None = None) -> list[str]:
    """Who holds this API, or one scope of it: apps, roles and people, in words."""
    apps = [
        f"app {client.client_id}"
        for client in await services.store.clients.list()
        if _uses(client, ApiIdentifier(identifier), scope)
    ]
    holders = [
        *(
            (f"role {role.name}", role.permissions)
            for role in (await services.store.registry.snapshot()).roles.values()
        ),
        *((f"user {user.username}", user.permissions) for user in await services.store.users.list()),
    ]
    return apps + [
        holder
        for holder, permissions in holders
        if any(
            permission.api == identifier and (scope is None or permission.scope == scope)
            for permission in permissions
        )
    ]


def _uses(client: Client, api: ApiIdentifier, scope: str | None) -> bool:
    ceiling = client.scope_for(api)
    if scope is not None:
        return ceiling is not None and scope in ceiling
    return ceiling is not None or api in (*client.resource_server_of, *client.refresh.apis)


def _applied(api: Api, changes: ApiChanges) -> Api:
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    added = {scope.value: scope for scope in given.pop("add_scopes")}
    removed = given.pop("remove_scopes")
    for scope in removed:
        if scope not in api.scope_values:
            raise Refused(
                f"{api.identifier} has no scope {scope!r}. It has: {' '.join(api.scope_values) or 'none'}."
            )
    kept = {scope.value: scope for scope in api.scopes if scope.value not in removed}
    default = tuple(scope for scope in api.default_scope if scope not in removed)
    return with_changes(api, **{"scopes": tuple((kept | added).values()), "default_scope": default} | given)


def _check_identifier(identifier: str, issuer: str) -> None:
    if (
        len(identifier) > MAX_IDENTIFIER_CHARS
        or _IDENTIFIER.fullmatch(identifier) is None
        or "#" in identifier
    ):
        raise Refused(
            f"An API's identifier is an absolute URI without a fragment, {MAX_IDENTIFIER_CHARS} characters at"
            " most, such as https://api.example.com/timesheets. It is compared, never called."
        )
    try:
        urlsplit(identifier)
    except ValueError as error:
        raise Refused(f"{identifier}: {error}") from error
    base = issuer.rstrip("/")
    if identifier.rstrip("/") == base or identifier.startswith(f"{base}/"):
        # A token for our own userinfo must never be one for somebody's API.
        raise Refused(f"{base} is this server's own: choose an address of the API.")


def _check(api: Api) -> None:
    if not api.name.strip() or len(api.name) > 100 or not api.name.isprintable():
        raise Refused("An API's name has 1 to 100 visible characters: people read it when they consent.")
    for scope in api.scopes:
        _check_scope(scope)
    for value in api.default_scope:
        if value not in api.scope_values:
            raise Refused(f"The default scope {value!r} is not a scope of {api.identifier}.")
    if not timedelta(seconds=1) <= api.access_token_lifetime <= LONGEST_LIFETIME:
        raise Refused(f"An access token lives between 1 second and {LONGEST_LIFETIME.days} days.")


def _check_scope(scope: ApiScope) -> None:
    if scope.value in RESERVED_SCOPES:
        raise Refused(f"{scope.value!r} is a scope of OpenID Connect; name yours action:resource.")
    try:
        words = list(Scope.parse(scope.value))
    except InvalidScope as error:
        raise Refused(f"{scope.value!r} cannot be a scope: {error}.") from error
    if words != [scope.value] or len(scope.value) > 100:
        raise Refused(
            f"{scope.value!r} cannot be a scope: one word of at most 100 characters, as in read:timesheets."
        )
    if len(scope.description) > 200 or not (scope.description.isprintable() or not scope.description):
        raise Refused(f"The description of {scope.value} has at most 200 visible characters.")
