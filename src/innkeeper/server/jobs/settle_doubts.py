"""Settles what this node left in doubt, as soon as the store answers: its apps may ask another node next."""

from innkeeper.server.flows.services import Services


async def settle_doubts(services: Services) -> None:
    """Nothing where nothing is in doubt."""
    await services.doubts.settle_all(services.store, services.events.emit)
