"""What an application's record may say: grants, redirect URIs and origins by type (RFC 9700 §2, RFC 8252)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace as with_changes

from innkeeper.oauth import redirect_uri
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import ApiGrant, Client, ClientType, RefreshPolicy
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.protocol.authorize import RESPONSE_TYPES
from innkeeper.server.protocol.grants.base import GrantType

Grants = Sequence[GrantType]
MAX_OVERLAP: Final = timedelta(seconds=60)
MAX_ABSOLUTE: Final = timedelta(days=3650)


def check(client: Client, grants: Grants, apis: Mapping[ApiIdentifier, Api]) -> None:
    """Raises `Refused` for the first thing that would be unsafe or could never work."""
    _check_name(client)
    _check_authentication(client)
    for name in client.grant_types:
        _check_grant_type(client, name, grants)
    _check_redirect_uris(client)
    for origin in client.allowed_origins:
        if redirect_uri.origin_of(origin) != origin:
            raise Refused(
                f"{origin!r} is not a web origin: write scheme, host and port, as in https://app.example."
            )
    for grant in client.api_grants:
        check_api_grant(grant, apis)
    _check_refresh(client)


def grant_types(client_type: ClientType, grants: Grants) -> tuple[str, ...]:
    """What the type is for.

    A web app may have client_credentials too, but only when somebody says so: its client grant is a ceiling for
    what people allow it, and would become a permission without them.
    """
    usual = {"client_credentials"} if client_type == "m2m" else {"authorization_code", "refresh_token"}
    return tuple(grant.name for grant in grants if grant.name in usual)


def refresh_policy(client_type: ClientType) -> RefreshPolicy:
    """Of a new app: a browser's tokens last a day, since any script that gets into the page can read them."""
    day = timedelta(hours=24)
    return RefreshPolicy(idle=day, absolute=day) if client_type == "spa" else RefreshPolicy()


def origins(client_type: ClientType, redirect_uris: tuple[str, ...]) -> tuple[str, ...]:
    """A browser app calls the token endpoint from its callbacks' origins (R-AP4); no other type does."""
    if client_type != "spa":
        return ()
    found = (redirect_uri.origin_of(uri) for uri in redirect_uris)
    return tuple(dict.fromkeys(origin for origin in found if origin is not None))


def with_response_types(client: Client) -> Client:
    """They follow from the grant type."""
    return with_changes(
        client, response_types=RESPONSE_TYPES if "authorization_code" in client.grant_types else ()
    )


def check_api_grant(grant: ApiGrant, apis: Mapping[ApiIdentifier, Api]) -> None:
    """The API exists and defines every scope."""
    api = apis.get(grant.api)
    if api is None:
        raise Refused(f"There is no API {grant.api!r}. `innkeeper api list` shows them.")
    for scope in grant.scope:
        if scope not in api.scope_values:
            raise Refused(
                f"{grant.api} has no scope {scope!r}. It has: {' '.join(api.scope_values) or 'none'}."
            )


def _check_name(client: Client) -> None:
    if not client.name.strip() or len(client.name) > 100 or not client.name.isprintable():
        raise Refused("An app's name has 1 to 100 visible characters: people read it when they consent.")


def _check_authentication(client: Client) -> None:
    public = client.type in ("spa", "native")
    if public and not client.is_public:
        raise Refused(f"A {client.type} app cannot keep a secret: it authenticates with `none` and PKCE.")
    if not public and client.is_public:
        raise Refused(
            f"A {client.type} app authenticates with a secret: client_secret_basic or client_secret_post."
        )
    if client.is_public and not client.require_pkce:
        raise Refused("PKCE is what protects a public app; only one with a secret can be exempted.")
    if not client.is_first_party and not client.require_pkce:
        raise Refused("A third-party app cannot be exempted from PKCE.")


def _check_grant_type(client: Client, name: str, grants: Grants) -> None:
    grant = next((grant for grant in grants if grant.name == name), None)
    if grant is None:
        raise Refused(
            f"There is no grant type {name!r}. There are: {', '.join(grant.name for grant in grants)}."
        )
    if client.type not in grant.client_types:
        fitting = ", ".join(grant.name for grant in grants if client.type in grant.client_types)
        raise Refused(f"{name} is not for {client.type} apps; these can have: {fitting}.")


def _check_refresh(client: Client) -> None:
    policy = client.refresh
    if client.type == "spa" and not policy.rotation:
        raise Refused("A browser app's refresh tokens rotate: one that is copied must be found out.")
    if not timedelta() <= policy.overlap <= MAX_OVERLAP:
        raise Refused("The overlap of refresh tokens is 0 to 60 seconds.")
    if not timedelta() < policy.idle <= policy.absolute:
        raise Refused(
            "A refresh token's idle lifetime is above zero and not longer than its absolute lifetime:"
            " --refresh-idle and --refresh-absolute."
        )
    if policy.absolute > MAX_ABSOLUTE:
        raise Refused("A refresh token's absolute lifetime is ten years at most.")


def _check_redirect_uris(client: Client) -> None:
    needed = "authorization_code" in client.grant_types
    if needed and not client.redirect_uris:
        raise Refused("This app signs people in, so it needs an address to come back to: --callback URL.")
    if client.redirect_uris and not needed:
        raise Refused(f"A {client.type} app without authorization_code has no callback.")
    addresses = (*client.redirect_uris, *([client.initiate_login_uri] if client.initiate_login_uri else []))
    for uri in addresses:
        try:
            redirect_uri.check_registrable(uri, client_type=client.type)
        except redirect_uri.RedirectUriRefused as refused:
            raise Refused(f"{uri}: {refused.reason}") from refused
