"""The part of the configuration that every request reads: one immutable snapshot in memory."""

from typing import Final

import msgspec

from innkeeper.server.model.api import Api
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.identifiers import ApiIdentifier, DirectoryName, IssuerName, KeyId
from innkeeper.server.model.role import Role
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import TrustedIssuer

EVERYTHING: Final = "everything"
"""The kind of a change that says: these are not the changes you have read, so any record may be another one."""


class RegistrySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """As of `epoch`, the number of the last registry change it contains; `tag` tells which change had that number."""

    epoch: int
    tag: int = 0
    apis: dict[ApiIdentifier, Api]
    roles: dict[str, Role]
    signing_keys: dict[KeyId, SigningKeyRecord]
    directories: dict[DirectoryName, Directory] = {}
    """All but the default one."""
    trusted_issuers: dict[IssuerName, TrustedIssuer] = {}


class RegistryChange(msgspec.Struct, frozen=True, kw_only=True):
    """Which record moved: kind is `client`, `api`, `role`, `directory`, `trusted_issuer` or `signing_key`.

    Or `EVERYTHING`, alone.
    """

    epoch: int
    kind: str
    id: str
