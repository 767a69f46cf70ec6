"""What apps may go on doing for a person while they are away, listed and ended one by one (R-RT10)."""

from datetime import datetime

import msgspec

from innkeeper.server.flows.administer import clients, users
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.services import Services
from innkeeper.server.model.events import GrantRevoked
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import ClientId, GrantId
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.protocol.liveness import is_live


class Lasting(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization with its refresh family; no token and nothing that one could be made from is shown of it."""

    grant: Grant
    family: RefreshFamily

    @property
    def last_used_at(self) -> datetime:
        """The last exchange, or the beginning."""
        return self.family.rotated_at or self.family.issued_at

    @property
    def ends_at(self) -> datetime:
        """If it is not used again."""
        return min(self.family.idle_expires_at, self.family.absolute_expires_at)


async def lasting(services: Services, who: str, client_id: str | None = None) -> list[Lasting]:
    """Those that live, the latest used first; of one app or of all."""
    user = await users.find(services, who)
    if client_id is not None:
        await clients.find(services, client_id)
    families = await services.store.refresh_families.of(
        user.user_id, None if client_id is None else ClientId(client_id)
    )
    now = services.clock.now()
    found = []
    for family in families:
        standing = await services.store.grants.standing(family.grant_id)
        if standing is not None and is_live(standing, now):
            found.append(Lasting(grant=standing.grant, family=family))
    return sorted((one for one in found if now < one.ends_at), key=lambda one: one.last_used_at, reverse=True)


async def revoke(services: Services, grant_id: str) -> Grant:
    """Everything that came from it ends: refresh tokens, and access tokens wherever somebody asks about them."""
    standing = await services.store.grants.standing(GrantId(grant_id))
    if standing is None:
        raise Refused(f"There is no grant {grant_id!r}. `innkeeper grant list WHO` shows a person's.")
    grant = standing.grant
    event = GrantRevoked(
        at=services.clock.now(), client_id=grant.client_id, user_id=grant.user_id, grant_id=grant.grant_id
    )
    await services.store.grants.revoke(grant.grant_id, now=event.at, events=[event])
    return grant
