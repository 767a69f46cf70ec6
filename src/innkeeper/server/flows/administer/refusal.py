"""What an administrator is told when a change is not made."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from innkeeper.server.flows.services import Services
from innkeeper.server.identity.directories import bare
from innkeeper.server.model.events import RecordChanged
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.outcomes import Conflict, Done, Missing

Record = TypeVar("Record")
TRIES: Final = 3


class Refused(Exception):
    """Nothing was changed. The message names the cause and, where there is one, the remedy."""


def changed(services: Services, kind: str, record_id: str, change: str) -> tuple[RecordChanged]:
    """The audit row of one change, in the form that transitions take."""
    return (RecordChanged(at=services.clock.now(), kind=kind, id=record_id, change=change),)


async def replace(
    store: Store,
    read: Callable[[], Awaitable[Record]],
    decide: Callable[[Record], Record],
    write: Callable[[Record], Awaitable[Done | Conflict | Missing]],
) -> Record:
    """Decides on the newest record, again if another administrator was faster."""
    conflict = ""
    for _ in range(TRIES):
        before = await read()
        after = decide(before)
        if after == before:
            # As it is wanted already, perhaps by a change that was answered with an error: it must not be lost yet.
            await store.probe()
            return before
        match await write(after):
            case Done():
                return await read()
            case Conflict(what=what):
                conflict = bare(what)
            case Missing():
                raise Refused("It was deleted in this moment.")
    raise Refused(f"Not changed: {conflict}.")
