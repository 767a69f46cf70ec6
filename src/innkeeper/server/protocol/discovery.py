"""Discovery (RFC 8414, OIDC Discovery §3): derived from the registries, so it cannot promise more than there is."""

from collections.abc import Sequence
from typing import Final

from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.oauth.metadata import AuthorizationServerMetadata
from innkeeper.oauth.pkce import CODE_CHALLENGE_METHODS
from innkeeper.server.config import LegacyFlows
from innkeeper.server.protocol import client_assertion, response_types
from innkeeper.server.protocol.acr import ACR_VALUES
from innkeeper.server.protocol.authorize import DISPLAYS, PROMPTS
from innkeeper.server.protocol.client_auth import CLIENT_AUTH_METHODS
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS, OIDC_SCOPES
from innkeeper.server.protocol.grants import device_code
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.protocol.response_modes import RESPONSE_MODES
from innkeeper.server.protocol.tokens import subject, user_claims

ASSERTION_ALGORITHMS: Final = (*client_assertion.KEY_ALGORITHMS, *client_assertion.SECRET_ALGORITHMS)
TOKEN_CLAIMS: Final = (
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "sid",
    "amr",
    "acr",
    "at_hash",
    "c_hash",
)
NO_LEGACY: Final = LegacyFlows()


def metadata(
    issuer: str,
    grants: Sequence[GrantType],
    ui_locales: Sequence[str],
    legacy: LegacyFlows = NO_LEGACY,
) -> AuthorizationServerMetadata:
    """For this issuer; the endpoints are below it whatever host a request came by."""
    base = issuer.removesuffix("/")
    auth_methods = tuple(method.name for method in CLIENT_AUTH_METHODS)
    has_refresh = any(grant.name == "refresh_token" for grant in grants)
    has_device = any(grant.name == device_code.NAME for grant in grants)
    return AuthorizationServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{base}/authorize",
        token_endpoint=token_endpoint(issuer),
        userinfo_endpoint=userinfo_endpoint(issuer),
        end_session_endpoint=f"{base}/oidc/logout",
        jwks_uri=f"{base}/.well-known/jwks.json",
        device_authorization_endpoint=f"{base}/oauth/device/code" if has_device else None,
        introspection_endpoint=f"{base}/oauth/introspect",
        introspection_endpoint_auth_methods_supported=tuple(name for name in auth_methods if name != "none"),
        introspection_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        revocation_endpoint=f"{base}/oauth/revoke",
        revocation_endpoint_auth_methods_supported=auth_methods,
        revocation_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        scopes_supported=(*OIDC_SCOPES, OFFLINE_ACCESS) if has_refresh else OIDC_SCOPES,
        response_types_supported=response_types.offered(legacy),
        response_modes_supported=tuple(mode.name for mode in RESPONSE_MODES),
        grant_types_supported=(
            *(grant.name for grant in grants),
            *((response_types.IMPLICIT,) if legacy.implicit else ()),
        ),
        subject_types_supported=subject.SUBJECT_TYPES,
        id_token_signing_alg_values_supported=SIGNING_ALGORITHMS,
        userinfo_signing_alg_values_supported=SIGNING_ALGORITHMS,
        token_endpoint_auth_methods_supported=auth_methods,
        token_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        code_challenge_methods_supported=CODE_CHALLENGE_METHODS,
        authorization_response_iss_parameter_supported=True,
        claims_supported=(*TOKEN_CLAIMS, *user_claims.NAMES),
        claims_parameter_supported=True,
        request_parameter_supported=False,
        request_uri_parameter_supported=False,
        acr_values_supported=ACR_VALUES,
        display_values_supported=DISPLAYS,
        prompt_values_supported=PROMPTS,
        ui_locales_supported=tuple(ui_locales),
    )


def token_endpoint(issuer: str) -> str:
    """Also what assertions of some apps name as their audience."""
    return issuer.removesuffix("/") + "/oauth/token"


def userinfo_endpoint(issuer: str) -> str:
    """Also the audience of tokens that may be used there."""
    return issuer.removesuffix("/") + "/userinfo"


def verification_uri(issuer: str) -> str:
    """What a device tells a person to open (RFC 8628 §3.2): short, since it is typed by hand."""
    return issuer.removesuffix("/") + "/device"
