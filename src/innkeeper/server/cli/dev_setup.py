"""Puts the example world into an empty folder, and finds its passwords again at the next start."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace as with_changes

from innkeeper.server.cli import dev_world, passwords
from innkeeper.server.cli.dev_file import DevApi, DevApp, DevFile, DevPerson
from innkeeper.server.flows.administer import apis, clients, keys, roles, setup_link, users
from innkeeper.server.flows.services import Services
from innkeeper.server.identity import identifiers
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId
from innkeeper.server.storage.outcomes import UserAndPassword


async def prepare(services: Services, known: DevFile | None) -> DevFile:
    """`known` is the dev.json of the last run.

    It is written once a world is complete. Without it whatever is missing is made, and whatever is there gets
    a new password or secret, since only digests are stored. With it nothing is made again: what somebody
    deleted stays deleted, and a password that somebody changed is not shown.
    """
    if known is None:
        return await _create(services)
    await keys.ensure(services)
    return DevFile(
        issuer=services.settings.issuer,
        people=await _people_of(services, known),
        apps=await _apps_of(services, known),
        apis=await _apis_of(services, known),
        legacy=services.settings.legacy,
    )


async def _create(services: Services) -> DevFile:
    await keys.ensure(services)
    await setup_link.ensure_role(services)
    if await services.store.apis.get(dev_world.TIMESHEETS) is None:
        await apis.create(services, dev_world.API)
    for role in dev_world.ROLES:
        if await services.store.roles.get(role.name) is None:
            await roles.create(services, role)
    people = await asyncio.gather(*(_person(services, person) for person in dev_world.people()))
    apps = [await _app(services, app) for app in dev_world.APPS]
    api = DevApi(identifier=dev_world.TIMESHEETS, scopes=dev_world.API.scope_values)
    return DevFile(
        issuer=services.settings.issuer,
        people=tuple(people),
        apps=tuple(apps),
        apis=(api,),
        legacy=services.settings.legacy,
    )


async def _person(services: Services, wanted: users.NewUser) -> DevPerson:
    password = passwords.generated()
    if await _find(services, wanted.username) is None:
        await users.create(services, with_changes(wanted, password=password, is_generated=True))
    else:
        await users.set_password(services, wanted.username, password, is_generated=True)
    return DevPerson(username=wanted.username, email=wanted.email, password=password, roles=wanted.roles)


async def _app(services: Services, wanted: clients.NewClient) -> DevApp:
    client = await services.store.clients.get(ClientId(wanted.client_id))
    if client is None:
        client, secret = await clients.create(services, wanted)
    elif client.is_public:
        secret = None
    else:
        client, secret = await clients.rotate_secret(
            services, wanted.client_id, keep_old=clients.DEFAULT_OVERLAP
        )
    return DevApp(
        client_id=client.client_id, client_secret=secret, type=client.type, redirect_uris=client.redirect_uris
    )


async def _people_of(services: Services, known: DevFile) -> tuple[DevPerson, ...]:
    async def shown(person: DevPerson) -> DevPerson | None:
        found = await _find(services, person.username)
        if found is None:
            return None
        password = person.password
        stored = found.password.hash if found.password else None
        if password is not None and not await services.passwords.verify(stored, password):
            password = None
        user = found.user
        return DevPerson(username=user.username, email=user.email, password=password, roles=user.roles)

    people = await asyncio.gather(*(shown(person) for person in known.people))
    return tuple(person for person in people if person is not None)


async def _apps_of(services: Services, known: DevFile) -> tuple[DevApp, ...]:
    now = services.clock.now()
    apps = []
    for app in known.apps:
        client = await services.store.clients.get(ClientId(app.client_id))
        if client is None:
            continue
        secret = app.client_secret
        if secret is not None and not clients.is_secret_of(client, secret, now):
            secret = None
        apps.append(
            DevApp(
                client_id=client.client_id,
                client_secret=secret,
                type=client.type,
                redirect_uris=client.redirect_uris,
            )
        )
    return tuple(apps)


async def _apis_of(services: Services, known: DevFile) -> tuple[DevApi, ...]:
    found = [await services.store.apis.get(ApiIdentifier(api.identifier)) for api in known.apis]
    return tuple(
        DevApi(identifier=api.identifier, scopes=api.scope_values) for api in found if api is not None
    )


async def _find(services: Services, username: str) -> UserAndPassword | None:
    name = identifiers.normalise(username)
    return await services.store.users.for_sign_in(name) if name else None
