"""An issuer of others whose statements about people are believed here (RFC 7523 §2.1)."""

from datetime import datetime
from typing import Literal

import msgspec

from innkeeper.server.model.client import Client, ClientKey
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import ClientId, DirectoryName, IssuerName

SubjectIs = Literal["user_id", "email", "username"]


class BringingApp(msgspec.Struct, frozen=True, kw_only=True):
    """One of our apps, named at `since`: a later app of the same name is another one."""

    client_id: ClientId
    since: datetime


class TrustedIssuer(msgspec.Struct, frozen=True, kw_only=True):
    """`issuer` is the `iss` of its assertions, byte for byte. Only `apps` may bring them.

    It speaks of the people of one directory, whom its `sub` names as `subject_is` says.
    """

    issuer: IssuerName
    keys: tuple[ClientKey, ...] = ()
    jwks_uri: str | None = None
    subject_is: SubjectIs = "user_id"
    directory: DirectoryName = DEFAULT_DIRECTORY
    apps: tuple[BringingApp, ...] = ()
    revision: int = 1

    def may_be_brought_by(self, client: Client) -> bool:
        """Whether this very app was named, and not one that had its name before."""
        return any(app.client_id == client.client_id and client.created_at <= app.since for app in self.apps)


class AssertionUse(msgspec.Struct, frozen=True, kw_only=True):
    """The one use of an assertion, claimed by the transition that opens a grant on it.

    `issuer_revision` is what the decision stands on: an issuer that has changed since is looked at again.
    """

    digest: bytes
    expires_at: datetime
    issuer: IssuerName
    issuer_revision: int
