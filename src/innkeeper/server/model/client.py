"""An application that asks for tokens (RFC 6749 §2; called *app* wherever a person reads)."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId

ClientType = Literal["regular_web", "spa", "native", "m2m"]
ClientAuthMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"
]
SigningAlgorithm = Literal["ES256", "RS256"]


class ApiGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may ask of one API: a ceiling, and for machines the permission itself."""

    api: ApiIdentifier
    scope: tuple[str, ...]


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 of a generated secret of 256 bits. Two may be alive during a rotation."""

    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    sealed: bytes | None = None
    """The secret itself, sealed: only for client_secret_jwt, which signs with it (OIDC Core §9)."""


class _Named(msgspec.Struct, frozen=True):
    kid: str = ""


class ClientKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that a client signs its assertions with (RFC 7523 §2.2). Two may be alive during a change."""

    jwk: bytes
    """One public JWK, as JSON (RFC 7517)."""
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def kid(self) -> str:
        """The name by which an assertion's header chooses it (RFC 7515 §4.1.4)."""
        return msgspec.json.decode(self.jwk, type=_Named).kid


class RefreshPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How an app's refresh tokens live. `absolute` counts from the first one and no rotation prolongs it."""

    rotation: bool = True
    """Each exchange gives a new token and ends the one before it (RFC 9700 §4.14.2)."""
    overlap: timedelta = timedelta(seconds=10)
    """How long the one before it still gets the same new one again: a lost answer, two tabs at once."""
    idle: timedelta = timedelta(days=14)
    absolute: timedelta = timedelta(days=90)
    apis: tuple[ApiIdentifier, ...] = ()
    """Other APIs that an exchange may name (RFC 8707 §2.2): one refresh token, several APIs."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` moves with every change, `epoch` only when everything issued so far must end."""

    client_id: ClientId
    name: str
    type: ClientType
    created_at: datetime
    token_endpoint_auth_method: ClientAuthMethod
    is_first_party: bool = True
    publisher: str | None = None
    secrets: tuple[ClientSecret, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    initiate_login_uri: str | None = None
    grant_types: tuple[str, ...] = ()
    response_types: tuple[str, ...] = ()
    require_pkce: bool = True
    api_grants: tuple[ApiGrant, ...] = ()
    id_token_signed_response_alg: SigningAlgorithm = "RS256"
    userinfo_signed_response_alg: SigningAlgorithm | None = None
    """Userinfo answers are JWTs signed with this (OIDC Core §5.3.2); None: plain JSON."""
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier: str | None = None
    """The host that pairwise subjects are made for (OIDC Core §8.1). None: the one host of the redirect URIs."""
    keys: tuple[ClientKey, ...] = ()
    jwks_uri: str | None = None
    accepts_endpoint_audience: bool = False
    """Its assertions may name an endpoint instead of the issuer: for old libraries (RFC 7523 §3)."""
    resource_server_of: tuple[ApiIdentifier, ...] = ()
    """The APIs it guards: it may introspect the tokens for them (RFC 7662 §2.1)."""
    trusts_forwarded_for: bool = False
    """It may say which address a password came from (R-PW7)."""
    allow_public_password_grant: bool = False
    """The second acknowledgement for an app that has no secret and takes passwords all the same (R-PW1)."""
    id_token_profile: bool = True
    """The claims of profile, email, address and phone are in the ID token as well as at userinfo."""
    refresh: RefreshPolicy = RefreshPolicy()
    is_enabled: bool = True
    tokens_not_before: datetime | None = None
    revision: int = 1
    epoch: int = 1

    @property
    def is_public(self) -> bool:
        """RFC 6749 §2.1: it cannot keep a secret."""
        return self.token_endpoint_auth_method == "none"

    def scope_for(self, api: ApiIdentifier) -> tuple[str, ...] | None:
        """The ceiling granted for this API; None when there is no client grant."""
        for grant in self.api_grants:
            if grant.api == api:
                return grant.scope
        return None
