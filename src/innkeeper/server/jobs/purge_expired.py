"""Deletes rows whose time is over, in slices so small that no sign-in waits for them."""

import asyncio
from typing import Final

from innkeeper.server.flows.services import Services

SLICE_ROWS: Final = 500
MAX_SLICES: Final = 2000
"""A million rows. What a minute brings is far less, so what has piled up goes as well."""
PAUSE_S: Final = 0.03


async def purge_expired(services: Services) -> None:
    """Until nothing is left, or until its turn is over; the next run goes on."""
    for _ in range(MAX_SLICES):
        deleted = await services.store.purge(now=services.clock.now(), limit=SLICE_ROWS)
        # A slice may fall a row short, where two go together.
        if deleted < SLICE_ROWS // 2:
            return
        await asyncio.sleep(PAUSE_S)
