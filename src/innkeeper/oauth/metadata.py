"""Authorization server metadata (RFC 8414 §2, OIDC Discovery §3, RFC 9207 §3, RFC 8628 §4): one document for all."""

from collections.abc import Sequence
from typing import Final

import msgspec

OAUTH_SUFFIX: Final = "/.well-known/oauth-authorization-server"
OPENID_SUFFIX: Final = "/.well-known/openid-configuration"


class AuthorizationServerMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None is left out. `request_uri_parameter_supported` must be given: its default is true."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    response_types_supported: Sequence[str]
    grant_types_supported: Sequence[str]
    code_challenge_methods_supported: Sequence[str]
    subject_types_supported: Sequence[str]
    id_token_signing_alg_values_supported: Sequence[str]
    userinfo_signing_alg_values_supported: Sequence[str]
    token_endpoint_auth_methods_supported: Sequence[str]
    authorization_response_iss_parameter_supported: bool
    request_uri_parameter_supported: bool
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    introspection_endpoint: str | None = None
    introspection_endpoint_auth_methods_supported: Sequence[str] | None = None
    introspection_endpoint_auth_signing_alg_values_supported: Sequence[str] | None = None
    revocation_endpoint: str | None = None
    revocation_endpoint_auth_methods_supported: Sequence[str] | None = None
    revocation_endpoint_auth_signing_alg_values_supported: Sequence[str] | None = None
    token_endpoint_auth_signing_alg_values_supported: Sequence[str] | None = None
    scopes_supported: Sequence[str] | None = None
    response_modes_supported: Sequence[str] | None = None
    claims_supported: Sequence[str] | None = None
    claims_parameter_supported: bool | None = None
    request_parameter_supported: bool | None = None
    acr_values_supported: Sequence[str] | None = None
    display_values_supported: Sequence[str] | None = None
    prompt_values_supported: Sequence[str] | None = None
    ui_locales_supported: Sequence[str] | None = None

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)


def well_known_urls(issuer: str) -> tuple[str, ...]:
    """Every address a client may ask for the document, in the order in which clients try them.

    RFC 8414 §3.1 puts its suffix between host and path, OIDC Discovery §4 at the end; an issuer without path
    has two addresses, one with a path three.
    """
    scheme, _, rest = issuer.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    origin, path = f"{scheme}://{host}", slash + path
    urls = (origin + OAUTH_SUFFIX + path, origin + OPENID_SUFFIX + path, origin + path + OPENID_SUFFIX)
    return tuple(dict.fromkeys(urls))
