"""The part of the configuration that every request reads: one immutable snapshot in memory."""

import msgspec

from innkeeper.server.model.api import Api
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.identifiers import ApiIdentifier, DirectoryName, IssuerName, KeyId
from innkeeper.server.model.role import Role
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import TrustedIssuer


class RegistrySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """As of `epoch`, the number of the last registry change it contains."""

    epoch: int
    apis: dict[ApiIdentifier, Api]
    roles: dict[str, Role]
    signing_keys: dict[KeyId, SigningKeyRecord]
    directories: dict[DirectoryName, Directory] = {}
    """All but the default one."""
    trusted_issuers: dict[IssuerName, TrustedIssuer] = {}


class RegistryChange(msgspec.Struct, frozen=True, kw_only=True):
    """Which record moved: kind is `client`, `api`, `role`, `directory`, `trusted_issuer` or `signing_key`."""

    epoch: int
    kind: str
    id: str
