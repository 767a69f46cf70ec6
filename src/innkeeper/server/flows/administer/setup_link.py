"""The first administrator: made by whoever opens a link that works once, within 24 hours."""

from datetime import timedelta
from typing import Final

from innkeeper.server.flows import fresh
from innkeeper.server.flows.administer.refusal import Refused, changed
from innkeeper.server.flows.first_administrator import ADMINISTRATOR
from innkeeper.server.flows.services import Services
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.role import Role

LIFETIME: Final = timedelta(hours=24)


async def create(services: Services) -> str:
    """The address to open. Only while nobody is administrator: later it would be a back door."""
    administrators = [
        user.username for user in await services.store.users.list() if ADMINISTRATOR in user.roles
    ]
    if administrators:
        raise Refused(
            f"There is an administrator already: {', '.join(administrators)}."
            f" `innkeeper user change NAME --add-role {ADMINISTRATOR}` makes another."
        )
    await ensure_role(services)
    expires_at = services.clock.now() + LIFETIME
    text, key = fresh.new_handle(services.entropy, "ik_ln_", expires_at)
    one_time = OneTimeLink(key=key, purpose="first_administrator", expires_at=expires_at)
    await services.store.links.create(
        one_time, events=changed(services, "link", "first_administrator", "created")
    )
    return f"{services.settings.issuer.rstrip('/')}/setup?link={text}"


async def ensure_role(services: Services) -> None:
    """The role exists from the first start on; a Conflict says that it does."""
    if await services.store.roles.get(ADMINISTRATOR) is None:
        role = Role(name=ADMINISTRATOR, description="May change everything on this server.")
        await services.store.roles.create(role, events=changed(services, "role", role.name, "created"))
