"""Takes in what other processes have changed: twice a second, and on SQLite at once after a foreign commit."""

from innkeeper.server.flows.services import Services


async def refresh_registry(services: Services) -> None:
    """Clients, APIs, roles and signing keys."""
    await services.registry.refresh()
