"""A small world in which authorizations happen, and records with good defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from innkeeper.server.model import handle
from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.events import CodeBurnt, CodeIssued, CodeRedeemed, CodeReplayed, RecordChanged
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    Attempt,
    ClientId,
    DirectoryName,
    GrantId,
    HandleKey,
    IssuerName,
    KeyId,
    SessionId,
    Subject,
)
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import AssertionUse, BringingApp, TrustedIssuer
from innkeeper.server.model.user import User
from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.outcomes import Done, Gone, GrantStanding, Redeemed, Replayed, Stale
from innkeeper.server.storage.postgresql import PostgresStore
from innkeeper.server.storage.sqlite import SqliteStore

AnyStore = MemoryStore | SqliteStore | PostgresStore
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER_THAN_ALL = NOW + timedelta(days=1)
CODE_LIFETIME = timedelta(seconds=60)
TIMESHEETS = ApiIdentifier("https://api.exampleco.test/timesheets")
_numbers = count(1)


def an_attempt() -> Attempt:
    return Attempt(os.urandom(16))


def a_handle(kind: handle.HandleKind, expires_at: datetime) -> tuple[str, HandleKey]:
    latest = int(expires_at.timestamp())
    return handle.mint(kind, latest_expiry_s=latest, counter=next(_numbers), random=os.urandom(32))


def a_key(expires_at: datetime = NOW + HOUR) -> HandleKey:
    return a_handle("ik_ac_", expires_at)[1]


def a_change(**values: Any) -> RecordChanged:
    return RecordChanged(at=NOW, kind="test", **values)


def a_client(client_id: str = "app", **values: Any) -> Client:
    defaults: dict[str, Any] = {
        "name": "Timesheets",
        "type": "spa",
        "created_at": NOW,
        "token_endpoint_auth_method": "none",
        "allowed_origins": ("http://localhost:3000",),
    }
    return Client(client_id=ClientId(client_id), **{**defaults, **values})


def a_user(user_id: str = "sub-erin", **values: Any) -> User:
    defaults: dict[str, Any] = {"username": "erin", "created_at": NOW, "updated_at": NOW}
    return User(user_id=Subject(user_id), **{**defaults, **values})


def a_password(user_id: str = "sub-erin", hash: str = "$argon2id$one") -> PasswordCredential:  # noqa: A002
    return PasswordCredential(user_id=Subject(user_id), hash=hash, changed_at=NOW)


def an_api(identifier: str = TIMESHEETS, **values: Any) -> Api:
    defaults: dict[str, Any] = {"name": "Timesheets", "scopes": (ApiScope(value="read:timesheets"),)}
    return Api(identifier=ApiIdentifier(identifier), **{**defaults, **values})


def a_role(name: str = "Employee", **values: Any) -> Role:
    permission = Permission(api=TIMESHEETS, scope="read:timesheets")
    return Role(name=name, **{"permissions": (permission,), **values})


def a_directory(name: str = "contractors", **values: Any) -> Directory:
    defaults: dict[str, Any] = {"label": "Contractors", "email_domains": ("contractor.test",)}
    return Directory(name=DirectoryName(name), **{**defaults, **values})


def a_trusted_issuer(issuer: str = "https://partner.test", **values: Any) -> TrustedIssuer:
    defaults: dict[str, Any] = {
        "jwks_uri": "https://partner.test/keys",
        "apps": (BringingApp(client_id=ClientId("app"), since=NOW),),
    }
    return TrustedIssuer(issuer=IssuerName(issuer), **{**defaults, **values})


def an_assertion_use(number: int = 0, **values: Any) -> AssertionUse:
    defaults: dict[str, Any] = {
        "digest": bytes([number]) * 32,
        "expires_at": NOW + HOUR,
        "issuer": IssuerName("https://partner.test"),
        "issuer_revision": 1,
    }
    return AssertionUse(**{**defaults, **values})


def a_signing_key(kid: str = "k1", **values: Any) -> SigningKeyRecord:
    defaults: dict[str, Any] = {
        "alg": "ES256",
        "public_jwk": b"{}",
        "private_sealed": b"sealed",
        "published_at": NOW,
        "activates_at": NOW,
    }
    return SigningKeyRecord(kid=KeyId(kid), **{**defaults, **values})


def a_session(user_id: str = "sub-erin", **values: Any) -> Session:
    defaults: dict[str, Any] = {
        "key": a_key(NOW + 8 * HOUR),
        "sid": SessionId(os.urandom(8).hex()),
        "user_epoch": 1,
        "auth_time": NOW,
        "amr": ("pwd",),
        "acr": None,
        "created_at": NOW,
        "last_used_at": NOW,
        "idle_expires_at": NOW + HOUR,
        "absolute_expires_at": NOW + 8 * HOUR,
    }
    return Session(user_id=Subject(user_id), **{**defaults, **values})


def a_link(**values: Any) -> OneTimeLink:
    defaults: dict[str, Any] = {"key": a_key(NOW + HOUR), "expires_at": NOW + HOUR}
    return OneTimeLink(purpose="first_administrator", **{**defaults, **values})


@dataclass
class World:
    """One client, one person, one API, and what may be done with them."""

    store: AnyStore
    client: Client = field(default_factory=a_client)
    user: User = field(default_factory=a_user)
    epochs: Epochs = field(
        default_factory=lambda: Epochs(client_revision=1, client_epoch=1, user_epoch=1, consent_epoch=0)
    )

    async def build(self) -> World:
        store = self.store
        assert await store.clients.create(self.client, events=()) == Done()
        password = a_password(self.user.user_id)
        names = ("erin", "erin@exampleco.test")
        created = await store.users.create(self.user, identifiers=names, password=password, events=())
        assert created == Done()
        assert await store.apis.create(an_api(), events=()) == Done()
        return self

    def authorization(self, **values: Any) -> tuple[AuthorizationCode, Grant]:
        """A fresh code and its grant, not yet stored."""
        grant_id = GrantId(os.urandom(16).hex())
        defaults: dict[str, Any] = {
            "client_id": self.client.client_id,
            "user_id": self.user.user_id,
            "api": TIMESHEETS,
            "scope": ("openid", "read:timesheets"),
            "sid": None,
            "auth_time": NOW,
            "amr": ("pwd",),
            "acr": None,
            "epochs": self.epochs,
            "created_at": NOW,
            "expires_at": NOW + 2 * HOUR,
        }
        grant = Grant(grant_id=grant_id, **{**defaults, **values})
        code = AuthorizationCode(
            key=a_key(NOW + CODE_LIFETIME),
            grant_id=grant_id,
            client_id=grant.client_id,
            redirect_uri="http://localhost:3000/callback",
            code_challenge="c" * 43,
            nonce="n-1",
            issued_at=NOW,
            expires_at=NOW + CODE_LIFETIME,
        )
        return code, grant

    async def issued(self, **values: Any) -> tuple[AuthorizationCode, Grant]:
        code, grant = self.authorization(**values)
        assert await self.issue(code, grant) == Done()
        return code, grant

    async def issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        *,
        attempt: Attempt | None = None,
        store: AnyStore | None = None,
    ) -> Done | Stale:
        event = CodeIssued(at=NOW, grant_id=grant.grant_id)
        codes = (store or self.store).codes
        return await codes.issue(code, grant, attempt=attempt or an_attempt(), events=(event,))

    async def redeem(
        self,
        code: AuthorizationCode,
        *,
        attempt: Attempt | None = None,
        now: datetime = NOW,
        epochs: Epochs | None = None,
        access_token: OpaqueAccessToken | None = None,
        store: AnyStore | None = None,
    ) -> Redeemed | Replayed | Gone | Stale:
        return await (store or self.store).codes.redeem(
            code.key,
            attempt=attempt or an_attempt(),
            now=now,
            epochs=epochs or self.epochs,
            access_token=access_token,
            redeemed=(CodeRedeemed(at=now, grant_id=code.grant_id),),
            replayed=(CodeReplayed(at=now, grant_id=code.grant_id),),
        )

    async def burn(
        self, code: AuthorizationCode, *, attempt: Attempt | None = None, store: AnyStore | None = None
    ) -> object:
        event = CodeBurnt(at=NOW, grant_id=code.grant_id)
        codes = (store or self.store).codes
        return await codes.burn(code.key, attempt=attempt or an_attempt(), now=NOW, events=(event,))

    async def is_revoked(self, grant_id: GrantId) -> bool:
        standing = await self.store.grants.standing(grant_id)
        assert standing is not None
        return standing.grant.revoked_at is not None

    async def audit(self, kind: str) -> int:
        """How many audit rows of this type there are."""
        return sum(row.type == kind for row in await self.store.audit_rows())


def a_token(grant: Grant, **values: Any) -> OpaqueAccessToken:
    defaults: dict[str, Any] = {
        "key": a_key(),
        "grant_id": grant.grant_id,
        "client_id": grant.client_id,
        "client_epoch": grant.epochs.client_epoch,
        "api": grant.api,
        "subject": grant.user_id,
        "scope": grant.scope,
        "issued_at": NOW,
        "expires_at": NOW + HOUR,
    }
    return OpaqueAccessToken(**{**defaults, **values})


async def opaque(world: World, token: OpaqueAccessToken) -> GrantStanding | None:
    """What a person's token stands on; None when there is no such row."""
    found = await world.store.access_tokens.opaque_standing(token.key)
    if found is None:
        return None
    assert found.token == token
    assert isinstance(found.standing, GrantStanding)
    return found.standing


def a_machine_token(client_id: str = "app", **values: Any) -> OpaqueAccessToken:
    """Of a client that acts for itself."""
    defaults: dict[str, Any] = {
        "key": a_key(),
        "grant_id": None,
        "client_id": ClientId(client_id),
        "client_epoch": 1,
        "api": TIMESHEETS,
        "subject": client_id,
        "scope": ("batch:upload",),
        "issued_at": NOW,
        "expires_at": NOW + HOUR,
        "claims": {"permissions": ["batch:upload"]},
    }
    return OpaqueAccessToken(**{**defaults, **values})
