"""Another process at the same state: `python -m tests.faults.races.node ADDRESS`.

Each line on stdin is a share of a batch of trials; each line on stdout is what its rivals were told.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

import msgspec

from innkeeper.server.flows.services import Services
from tests.faults.races.kinds import BY_NAME
from tests.faults.races.rivals import Ticket
from tests.faults.races.world import any_password, open_at, services_on

READY: Final = b"ready\n"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Some rivals of every trial of a batch, let go together at an instant of the machine's clock."""

    kind: str
    tickets: list[Ticket]
    rivals: list[int]
    at_ns: int
    loses_answers: bool = False


async def run(share: Share, services: Services) -> list[list[str]]:
    """For each ticket what its rivals here were told."""
    gate, kind = asyncio.Event(), BY_NAME[share.kind]

    async def use(ticket: Ticket, rival: int) -> str:
        await gate.wait()
        return await kind.use(ticket, rival, services)

    runs = [asyncio.ensure_future(use(ticket, rival)) for rival in share.rivals for ticket in share.tickets]
    await asyncio.sleep(max(0.0, (share.at_ns - time.monotonic_ns()) / 1e9))
    if share.loses_answers:
        services.store.lose_next_answer()  # type: ignore[attr-defined]
    gate.set()
    told = await asyncio.gather(*runs)
    count = len(share.tickets)
    return [told[place::count] for place in range(count)]


async def serve(address: str) -> None:
    """Until stdin ends."""
    store = await open_at(address, "command")
    services = await services_on(store)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    decoder = msgspec.json.Decoder(Share)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        told = await run(decoder.decode(line), services)
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()
    await store.close()


if __name__ == "__main__":
    with any_password():
        asyncio.run(serve(*sys.argv[1:]))
