"""Roles give permissions on APIs to people."""

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier


class Permission(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One scope of one API."""

    api: ApiIdentifier
    scope: str


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """Its name is its identifier and is matched by case."""

    name: str
    description: str = ""
    permissions: tuple[Permission, ...] = ()
    revision: int = 1
