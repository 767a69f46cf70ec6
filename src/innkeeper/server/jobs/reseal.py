"""Seals what is stored under the current master key, once after each change of it."""

from innkeeper.server.flows import reseal as flow
from innkeeper.server.flows.services import Services


async def reseal(services: Services) -> None:
    """One read where there is nothing to do."""
    await flow.reseal(services)
