"""Refresh tokens as they leave and as they come back: made of fresh bytes, and believed only with our MAC."""

from datetime import datetime

from innkeeper.server.flows.services import Services
from innkeeper.server.model import handle
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.protocol.grants.base import PresentedFamily
from innkeeper.server.protocol.tokens import refresh_token
from innkeeper.server.protocol.tokens.refresh_token import RefreshToken


def new_family(authorization: Authorization, services: Services, now: datetime) -> tuple[str, RefreshFamily]:
    """The first token of a family, and its row."""
    assert authorization.grant_id is not None and authorization.user is not None
    policy = authorization.client.refresh
    ends_at = now + policy.absolute
    token = RefreshToken(
        mac_key_id=services.seals.current_key_id,
        order=handle.ordering(
            latest_expiry_s=int(ends_at.timestamp()) + 1, counter=services.entropy.counter()
        ),
        random=services.entropy.random(handle.RANDOM_BYTES),
        generation=0,
    )
    family = RefreshFamily(
        key=token.key,
        grant_id=authorization.grant_id,
        client_id=authorization.client.client_id,
        user_id=authorization.user.user_id,
        scope=tuple(authorization.scope),
        is_rotating=policy.rotation,
        issued_at=now,
        idle_expires_at=min(now + policy.idle, ends_at),
        absolute_expires_at=ends_at,
        mac_key_id=token.mac_key_id,
    )
    return text_of(token, services), family


def text_of(token: RefreshToken, services: Services) -> str:
    """The same text for the same generation, whenever it is asked for."""
    return token.text(services.seals.tag("refresh-mac", token.mac_key_id, token.signed))


async def presented(text: str, services: Services) -> PresentedFamily | None:
    """One read, and none for a text whose MAC is not ours."""
    parsed = refresh_token.parse(text)
    if parsed is None:
        return None
    token, mac = parsed
    if not services.seals.is_tag("refresh-mac", token.mac_key_id, token.signed, mac):
        return None
    found = await services.store.refresh_families.read(token.key)
    return None if found is None else PresentedFamily(token=token, found=found)
