"""A person (OIDC Core §5.1 holds the standard claims)."""

from datetime import datetime

import msgspec

from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName, Subject
from innkeeper.server.model.role import Permission


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """OIDC Core §5.1.1."""

    formatted: str | None = None
    street_address: str | None = None
    locality: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of scope `profile`, spelled as on the wire."""

    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    middle_name: str | None = None
    nickname: str | None = None
    profile: str | None = None
    picture: str | None = None
    website: str | None = None
    gender: str | None = None
    birthdate: str | None = None
    zoneinfo: str | None = None
    locale: str | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` moves with every change, `epoch` only when everything issued so far must end."""

    user_id: Subject
    username: str
    created_at: datetime
    updated_at: datetime
    directory: DirectoryName = DEFAULT_DIRECTORY
    """Where their names and their password count. It never changes."""
    email: str | None = None
    email_verified: bool = False
    phone_number: str | None = None
    phone_number_verified: bool = False
    profile: Profile = Profile()
    address: Address | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()
    is_enabled: bool = True
    revision: int = 1
    epoch: int = 1
