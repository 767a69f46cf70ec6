"""Rotates signing keys when their time has come (R-KE2)."""

from innkeeper.server.flows import rotate_keys as flow
from innkeeper.server.flows.services import Services


async def rotate_keys(services: Services) -> None:
    """A key becomes active by the clock alone; this retires the one before and publishes the one after."""
    now, lifetimes = services.clock.now(), services.settings.lifetimes
    for event in await flow.ensure_keys(services.store, services.at_rest, now, lifetimes):
        services.events.emit(event)
