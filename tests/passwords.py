"""A world in which an app takes passwords, and two people of two directories share one e-mail address."""

from __future__ import annotations

from typing import Any

import httpx2

from innkeeper.server.config import LegacyFlows
from innkeeper.server.identity.identifiers import identifiers_of
from innkeeper.server.model.client import Client
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.identifiers import DirectoryName, Subject
from innkeeper.server.protocol.grants import PASSWORD_GRANTS
from tests.world import PASSWORD, START, World, a_client, a_public_client, a_user, a_world, basic

PLAIN, REALM = (grant.name for grant in PASSWORD_GRANTS)
CONTRACTORS = DirectoryName("contractors")
OTHER_PASSWORD = "another horse and its battery"
GRANTS = (PLAIN, REALM, "refresh_token", "authorization_code")
ADDRESS = "203.0.113.7"


def clients() -> tuple[Client, ...]:
    """`terminal` has a secret and may take passwords; `till` has none and may too; `shop` only has the grant."""
    return (
        a_client("terminal", grant_types=GRANTS),
        a_client("relay", grant_types=GRANTS, trusts_forwarded_for=True),
        a_client("foreign", grant_types=GRANTS, is_first_party=False),
        a_public_client("till", grant_types=GRANTS, allow_public_password_grant=True),
        a_public_client("shop", grant_types=GRANTS),
    )


async def a_password_world(*, is_on: bool = True, **settings: Any) -> World:
    """carl of the default directory and `ik|carl2` of the contractors are both carl@example.test."""
    world = await a_world(extra_clients=clients(), legacy=LegacyFlows(password=is_on), **settings)
    store = world.services.store
    contractors = Directory(name=CONTRACTORS, label="Contractors", email_domains=("contractor.test",))
    await store.directories.create(contractors, events=())
    carl = a_user("carl", user_id=Subject("ik|carl2"), directory=CONTRACTORS)
    await add(world, carl, OTHER_PASSWORD)
    await add(world, a_user("dora", directory=CONTRACTORS, email="dora@contractor.test"), OTHER_PASSWORD)
    await world.services.registry.refresh()
    return world


async def add(world: World, user: Any, password: str | None) -> None:
    """A person; without a password they came by another way."""
    credential = None
    if password is not None:
        hashed = await world.passwords.hash(password)
        credential = PasswordCredential(user_id=user.user_id, hash=hashed, changed_at=START)
    await world.services.store.users.create(
        user, identifiers=identifiers_of(user), password=credential, events=()
    )


async def ask(
    world: World,
    username: str = "erin",
    password: str = PASSWORD,
    *,
    client_id: str = "terminal",
    address: str = ADDRESS,
    headers: dict[str, str] | None = None,
    **form: str | None,
) -> httpx2.Response:
    """A token request with a password; by realm when one is named."""
    fields: dict[str, str | None] = {
        "grant_type": REALM if form.get("realm") else PLAIN,
        "username": username,
        "password": password,
        "scope": "openid",
    }
    public = client_id in ("till", "shop", "spa")
    if public:
        fields["client_id"] = client_id
    sent = {name: value for name, value in (fields | form).items() if value is not None}
    proof = {} if public else basic(client_id)
    return await world.http(address=address).post("/oauth/token", data=sent, headers=proof | (headers or {}))
