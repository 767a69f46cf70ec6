"""The registry of grant types. A new one is a file beside this and a line in `GRANTS`."""

from innkeeper.server.protocol.grants.authorization_code import AuthorizationCodeGrant
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.protocol.grants.client_credentials import ClientCredentials
from innkeeper.server.protocol.grants.device_code import DeviceCodeGrant
from innkeeper.server.protocol.grants.refresh_token import RefreshTokenGrant

GRANTS: tuple[GrantType, ...] = (
    AuthorizationCodeGrant(),
    RefreshTokenGrant(),
    ClientCredentials(),
    DeviceCodeGrant(),
)
