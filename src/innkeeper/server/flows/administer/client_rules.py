"""What an application's record may say: grants, redirect URIs and origins by type (RFC 9700 §2, RFC 8252)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace as with_changes

from innkeeper.jose import jwk
from innkeeper.jose.errors import KeyRefused
from innkeeper.oauth import redirect_uri
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import ApiGrant, Client, ClientKey, ClientType, RefreshPolicy
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.protocol import foreign_address, response_types
from innkeeper.server.protocol.grants import PASSWORD_GRANTS
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.protocol.tokens import subject

IMPLICIT: Final = response_types.IMPLICIT
Grants = Sequence[GrantType]
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
MAX_KEYS: Final = 10
MAX_OVERLAP: Final = timedelta(seconds=60)
MAX_ABSOLUTE: Final = timedelta(days=3650)


def check(client: Client, grants: Grants, apis: Mapping[ApiIdentifier, Api], *, is_dev: bool = False) -> None:
    """Raises `Refused` for the first thing that would be unsafe or could never work."""
    _check_name(client)
    _check_authentication(client)
    _check_keys(client, is_dev=is_dev)
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
    _check_refresh(client, apis)
    _check_subjects(client)
    _check_guarded(client, apis)
    _check_passwords(client)


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
    """They follow from the grant types."""
    found = response_types.of_client(client.grant_types, is_first_party=client.is_first_party)
    return with_changes(client, response_types=found)


def check_api_grant(grant: ApiGrant, apis: Mapping[ApiIdentifier, Api]) -> None:
    """The API exists and defines every scope."""
    api = _known(grant.api, apis)
    for scope in grant.scope:
        if scope not in api.scope_values:
            raise Refused(
                f"{grant.api} has no scope {scope!r}. It has: {' '.join(api.scope_values) or 'none'}."
            )


def _known(identifier: ApiIdentifier, apis: Mapping[ApiIdentifier, Api]) -> Api:
    api = apis.get(identifier)
    if api is None:
        raise Refused(f"There is no API {identifier!r}. `innkeeper api list` shows them.")
    return api


def _check_name(client: Client) -> None:
    if not client.name.strip() or len(client.name) > 100 or not client.name.isprintable():
        raise Refused("An app's name has 1 to 100 visible characters: people read it when they consent.")


def _check_authentication(client: Client) -> None:
    public = client.type in ("spa", "native")
    if public and not client.is_public:
        raise Refused(f"A {client.type} app cannot keep a secret: it authenticates with `none` and PKCE.")
    if not public and client.is_public:
        raise Refused(
            f"A {client.type} app authenticates with a secret or a key, as in client_secret_basic or private_key_jwt."
        )
    if client.token_endpoint_auth_method in SECRET_METHODS and not client.secrets:
        raise Refused(
            f"{client.token_endpoint_auth_method} needs a secret, and this app has none:"
            f" `innkeeper app rotate-secret {client.client_id}` gives it one first."
        )
    if client.token_endpoint_auth_method == "client_secret_jwt" and not any(
        secret.sealed for secret in client.secrets
    ):
        raise Refused(
            "client_secret_jwt signs with the secret itself, and of this app's there is only a digest. Create an app"
            " with this method, or let this one sign with a key of its own: private_key_jwt."
        )
    if client.is_public and not client.require_pkce:
        raise Refused("PKCE is what protects a public app; only one with a secret can be exempted.")
    if not client.is_first_party and not client.require_pkce:
        raise Refused("A third-party app cannot be exempted from PKCE.")


def _check_keys(client: Client, *, is_dev: bool) -> None:
    """RFC 7523 §2.2, OIDC Core §9: what it signs with is known before it is asked to."""
    has_keys = bool(client.keys or client.jwks_uri)
    if client.is_public and (has_keys or client.accepts_endpoint_audience):
        raise Refused(f"A {client.type} app has no key that it could keep to itself; PKCE protects it.")
    if client.token_endpoint_auth_method == "private_key_jwt" and not has_keys:
        raise Refused(
            "private_key_jwt needs a public key: --key FILE or --jwks-uri URL. A key that is registered works at"
            " once, beside a secret: try it, then change the method."
        )
    if len(client.keys) > MAX_KEYS:
        raise Refused(f"An app has at most {MAX_KEYS} keys: remove the old ones.")
    for key in client.keys:
        check_key(key)
    if client.jwks_uri is not None:
        check_fetched(client.jwks_uri, is_dev=is_dev)


def check_key(key: ClientKey) -> None:
    """Only what verifies: a private key must not lie here (AD-17)."""
    try:
        jwk.from_pem_or_jwk(key.jwk)
    except KeyRefused as refused:
        raise Refused(f"A key cannot be used: {refused}.") from refused


def check_fetched(uri: str, *, is_dev: bool) -> None:
    """What this server itself calls: https, and this machine only where the whole server is for it (SS-01)."""
    try:
        foreign_address.checked(uri, is_dev=is_dev)
    except foreign_address.ForeignAddressRefused as refused:
        raise Refused(
            f"{uri}: {refused}. This server fetches keys from other machines only, by https."
        ) from refused


def _check_grant_type(client: Client, name: str, grants: Grants) -> None:
    # `implicit` is no member of the registry: it is used at the authorization endpoint alone.
    # What an app has already it may keep while the password grants are off; giving them is another question.
    may_have = {grant.name: grant.client_types for grant in (*grants, *PASSWORD_GRANTS)}
    may_have[IMPLICIT] = response_types.IMPLICIT_CLIENT_TYPES
    if name not in may_have:
        raise Refused(f"There is no grant type {name!r}. There are: {', '.join(may_have)}.")
    if client.type not in may_have[name]:
        fitting = ", ".join(grant for grant, types in may_have.items() if client.type in types)
        raise Refused(f"{name} is not for {client.type} apps; these can have: {fitting}.")
    if name == IMPLICIT and not client.is_first_party:
        raise Refused(
            "A third-party app gets no tokens through the browser's address bar: authorization_code does all it needs."
        )


def _check_refresh(client: Client, apis: Mapping[ApiIdentifier, Api]) -> None:
    policy = client.refresh
    for api in policy.apis:
        _known(api, apis)
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


def _check_subjects(client: Client) -> None:
    """OIDC Core §8.1: apps of one sector know a person by one name, so which sector it is has to be plain."""
    sector = client.sector_identifier
    if sector is not None and not _is_host(sector):
        raise Refused(f"{sector!r} is not a host name in lower case, which is what --sector takes.")
    if sector is not None and client.subject_type != "pairwise":
        raise Refused("A sector is for pairwise subjects: --subject-type pairwise.")
    hosts = {subject.host_of(uri) for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and sector is None and len(hosts) > 1:
        raise Refused(
            "Its callbacks are not all on one host, and pairwise subjects are made for one: name it with"
            " --sector HOST."
        )


def _is_host(text: str) -> bool:
    try:
        redirect_uri.check_registrable(f"https://{text}", client_type="regular_web")
    except redirect_uri.RedirectUriRefused:
        return False
    return subject.host_of(f"https://{text}") == text


def _check_guarded(client: Client, apis: Mapping[ApiIdentifier, Api]) -> None:
    """RFC 7662 §2.1: who asks about tokens has to prove who it is."""
    for api in client.resource_server_of:
        _known(api, apis)
    if client.resource_server_of and client.is_public:
        raise Refused(
            f"A {client.type} app cannot prove who it is, so it cannot guard an API: --type m2m can."
        )


def _check_passwords(client: Client) -> None:
    if client.trusts_forwarded_for and client.is_public:
        raise Refused("Whoever has no secret could name any address: --trust-forwarded-for needs one.")
    if client.allow_public_password_grant and not client.is_public:
        raise Refused("--allow-public-password-grant is for apps without a secret; this one has one.")


def _check_redirect_uris(client: Client) -> None:
    needed = not {"authorization_code", IMPLICIT}.isdisjoint(client.grant_types)
    if needed and not client.redirect_uris:
        raise Refused("This app signs people in, so it needs an address to come back to: --callback URL.")
    if client.redirect_uris and not needed:
        raise Refused(f"A {client.type} app without authorization_code has no callback.")
    others = [*client.post_logout_redirect_uris, *filter(None, [client.initiate_login_uri])]
    for uri in (*client.redirect_uris, *others):
        try:
            redirect_uri.check_registrable(uri, client_type=client.type)
        except redirect_uri.RedirectUriRefused as refused:
            raise Refused(f"{uri}: {refused.reason}") from refused
