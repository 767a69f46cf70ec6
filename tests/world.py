"""A whole server in this process: memory store, a clock that tests move, events that tests read."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.oauth import pkce
from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.flows.foreign_documents import ReadDocument
from innkeeper.server.flows.keys import new_record
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Services
from innkeeper.server.hooks import Hooks
from innkeeper.server.identity.identifiers import identifiers_of
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant, Client, ClientSecret
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.model.secret import Secret
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.user import Profile, User
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.memory.store import MemoryStore

ISSUER = "https://id.example.test"
TIMESHEETS = ApiIdentifier("https://api.example.test/timesheets")
PAYROLL = ApiIdentifier("https://api.example.test/payroll")
WEB_CALLBACK = "https://web.example.test/cb"
SPA_CALLBACK = "https://spa.example.test/cb"
SPA_ORIGIN = "https://spa.example.test"
SECRET = "ik_cs_" + "s" * 43
VERIFIER = "v" * 64
START = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
MASTER = MasterSecret(ring=(MasterKey(key_id=1, value=Secret(b"m" * 32)),))


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.instant = START

    def now(self) -> datetime:
        return self.instant

    def check(self) -> None:
        """It is never in doubt."""

    def advance(self, **duration: float) -> None:
        self.instant += timedelta(**duration)


class FastPasswords:
    """As quick as a test needs; the real one has its own tests."""

    def __init__(self) -> None:
        self.verified: list[str | None] = []

    async def verify(self, hash: str | None, password: str) -> bool:  # noqa: A002
        self.verified.append(hash)
        return hash == await self.hash(password)

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()

    def needs_rehash(self, hash: str) -> bool:  # noqa: A002
        return False


class Heard:
    """An event sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def types(self) -> list[str]:
        return [event.type for event in self.events]


def a_client(client_id: str = "web", **changes: Any) -> Client:
    """A first-party regular web app with a secret, but for what is changed."""
    client = Client(
        client_id=ClientId(client_id),
        name=client_id.capitalize(),
        type="regular_web",
        created_at=START,
        token_endpoint_auth_method="client_secret_basic",
        secrets=(ClientSecret(digest=sha256(SECRET.encode()), created_at=START),),
        redirect_uris=(WEB_CALLBACK,),
        grant_types=("authorization_code",),
        response_types=("code",),
    )
    return msgspec.structs.replace(client, **changes)


def a_public_client(client_id: str = "spa", **changes: Any) -> Client:
    """A first-party single-page app."""
    public: dict[str, Any] = {
        "type": "spa",
        "token_endpoint_auth_method": "none",
        "secrets": (),
        "redirect_uris": (SPA_CALLBACK,),
        "allowed_origins": (SPA_ORIGIN,),
    }
    return a_client(client_id, **(public | changes))


def clients() -> tuple[Client, ...]:
    """One of each kind."""
    batch = (ApiGrant(api=TIMESHEETS, scope=("batch:upload", "read:timesheets")),)
    partner = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "create:timesheets")),)
    machine: dict[str, Any] = {
        "type": "m2m", "redirect_uris": (), "response_types": (), "grant_types": ("client_credentials",)
    }  # fmt: skip
    native = {
        "type": "native",
        "redirect_uris": ("http://127.0.0.1/callback", "com.example.app:/cb"),
        "allowed_origins": (),
    }
    return (
        a_client("web"),
        a_client("other", redirect_uris=("https://other.example.test/cb",)),
        a_client("poster", token_endpoint_auth_method="client_secret_post"),
        a_client("plain", require_pkce=False),
        a_client("es256", id_token_signed_response_alg="ES256"),
        a_public_client("spa"),
        a_public_client("native", **native),
        a_client("cron", **machine, api_grants=batch),
        a_client("paycheck", is_first_party=False, publisher="PayCheck Ltd", api_grants=partner),
        a_client("disabled", is_enabled=False),
    )  # fmt: skip


def apis() -> tuple[Api, ...]:
    words = (
        "read:timesheets",
        "create:timesheets",
        "delete:timesheets",
        "approve:timesheets",
        "batch:upload",
    )
    scopes = tuple(ApiScope(value=word, description=f"May {word}") for word in words)
    return (
        Api(
            identifier=TIMESHEETS,
            name="Timesheets",
            scopes=scopes,
            enforce_rbac=True,
            allow_offline_access=True,
        ),
        Api(identifier=PAYROLL, name="Payroll", scopes=(ApiScope(value="read:payroll"),)),
    )


def a_user(username: str = "erin", **changes: Any) -> User:
    user = User(
        user_id=Subject(f"ik|{username}"),
        username=username,
        created_at=START,
        updated_at=START,
        email=f"{username}@example.test",
        email_verified=True,
        phone_number="+12025550100" if username == "erin" else None,
        profile=Profile(name=f"{username.capitalize()} Example", given_name=username.capitalize()),
        roles=("Employee",),
    )
    return msgspec.structs.replace(user, **changes)


EMPLOYEE = Role(
    name="Employee",
    permissions=tuple(
        Permission(api=TIMESHEETS, scope=word)
        for word in ("read:timesheets", "create:timesheets", "delete:timesheets")
    ),
)


@dataclass
class World:
    """Everything a test may want to hold."""

    services: Services
    clock: Clock
    heard: Heard
    passwords: FastPasswords
    asgi: Any
    issuer: str = ISSUER
    _open: list[httpx2.AsyncClient] = field(default_factory=list)

    def http(self, *, address: str = "203.0.113.7") -> httpx2.AsyncClient:
        """A client that follows no redirect and has a cookie jar of its own."""
        transport = httpx2.ASGITransport(app=self.asgi, client=(address, 40_000), raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url=self.issuer, follow_redirects=False)
        self._open.append(client)
        return client

    async def change(self, client_id: str, **changes: Any) -> None:
        """Changes a client the way an administrator does, and lets the server notice."""
        client = await self.services.store.clients.get(ClientId(client_id))
        assert client is not None
        await self.services.store.clients.replace(msgspec.structs.replace(client, **changes), events=())
        await self.services.registry.refresh()

    async def change_user(self, username: str, **changes: Any) -> None:
        found = await self.services.store.users.get(Subject(f"ik|{username}"))
        assert found is not None
        changed = msgspec.structs.replace(found, **changes)
        await self.services.store.users.replace(changed, identifiers=identifiers_of(changed), events=())


@functools.cache
def _key_records() -> tuple[SigningKeyRecord, ...]:
    """Made once for all worlds: an RSA key takes longer than most tests."""
    at_rest = Seals(MASTER, "", os.urandom)
    return tuple(
        new_record(alg, at_rest, published_at=START, activates_at=START) for alg in ("ES256", "RS256")
    )


async def a_world(
    store: Store | None = None,
    *,
    issuer: str = ISSUER,
    dev: bool = False,
    grants: Sequence[GrantType] = GRANTS,
    hooks: Hooks | None = None,
    read_document: ReadDocument | None = None,
    extra_clients: Sequence[Client] = (),
    **settings: Any,
) -> World:
    """Clients, APIs and people of `clients()`, `apis()` and erin, mona, carl; every password is PASSWORD."""
    clock, heard, passwords = Clock(), Heard(), FastPasswords()
    store = MemoryStore() if store is None else store
    master = MASTER
    await app.open_services(
        Settings(issuer=issuer, dev=dev, **settings), store, master, clock=clock, events=heard, grants=grants
    )
    await store.signing_keys.put(_key_records(), expected=(), events=())
    for api in apis():
        await store.apis.create(api, events=())
    await store.roles.create(EMPLOYEE, events=())
    for client in (*clients(), *extra_clients):
        await store.clients.create(client, events=())
    for user in (a_user("erin"), a_user("mona"), a_user("carl", roles=()), a_user("carol", is_enabled=False)):
        credential = PasswordCredential(
            user_id=user.user_id, hash=await passwords.hash(PASSWORD), changed_at=START
        )
        await store.users.create(user, identifiers=identifiers_of(user), password=credential, events=())
    services = await app.open_services(
        Settings(issuer=issuer, dev=dev, **settings),
        store,
        master,
        clock=clock,
        events=heard,
        grants=grants,
        hooks=hooks,
        read_document=read_document,
        # No job asks for changes here: else what a request reads would depend on how long a test has taken.
        monotonic=lambda: 0.0,
    )
    services = _with(services, passwords)
    return World(services, clock, heard, passwords, app.create_app(services), issuer)


def _with(services: Services, passwords: FastPasswords) -> Services:
    import dataclasses

    return dataclasses.replace(services, passwords=passwords)


def authorize_parameters(**changes: str | None) -> dict[str, str]:
    """A good request of the app `web`, but for what is changed; None leaves a parameter out."""
    parameters: dict[str, str | None] = {
        "client_id": "web",
        "redirect_uri": WEB_CALLBACK,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "st" + os.urandom(4).hex(),
        "nonce": "n-" + os.urandom(4).hex(),
        "code_challenge": pkce.s256(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (parameters | changes).items() if value is not None}


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    """An Authorization header."""
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def code_form(code: str, **changes: str | None) -> dict[str, str]:
    """A good token request for a code of `web`, but for what is changed."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": WEB_CALLBACK,
        "code_verifier": VERIFIER,
    }
    return {name: value for name, value in (form | changes).items() if value is not None}
