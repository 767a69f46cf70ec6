"""The registry of grant types. A new one is a file beside this and a line in `GRANTS`."""

from innkeeper.server.config import LegacyFlows
from innkeeper.server.protocol.grants.authorization_code import AuthorizationCodeGrant
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.protocol.grants.client_credentials import ClientCredentials
from innkeeper.server.protocol.grants.device_code import DeviceCodeGrant
from innkeeper.server.protocol.grants.jwt_bearer import JwtBearer
from innkeeper.server.protocol.grants.password import PasswordGrant, PasswordRealmGrant
from innkeeper.server.protocol.grants.refresh_token import RefreshTokenGrant
from innkeeper.server.protocol.grants.token_exchange import TokenExchange

GRANTS: tuple[GrantType, ...] = (
    AuthorizationCodeGrant(),
    RefreshTokenGrant(),
    ClientCredentials(),
    DeviceCodeGrant(),
    TokenExchange(),
    JwtBearer(),
)

PASSWORD_GRANTS: tuple[GrantType, ...] = (
    PasswordGrant(),
    PasswordRealmGrant(),
)
"""Whole, and off: RFC 9700 §2.4 forbids them to new apps."""


def legacy_grants(settings: LegacyFlows) -> tuple[GrantType, ...]:
    """Those that the operator has switched on. The others are unknown to every endpoint and to discovery."""
    return PASSWORD_GRANTS if settings.password else ()
