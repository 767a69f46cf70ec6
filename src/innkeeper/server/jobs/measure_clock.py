"""Corrects this node's clock by the database's, where it has one: so all nodes agree on the time."""

from innkeeper.server.flows.clocks import DatabaseClock
from innkeeper.server.flows.services import Services


async def measure_clock(services: Services) -> None:
    """One read. After several failures in a row the node is not ready any more."""
    if isinstance(services.clock, DatabaseClock):
        await services.clock.measure()
