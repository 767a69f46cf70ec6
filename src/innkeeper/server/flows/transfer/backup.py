"""A backup: one file that holds a database as it was at one instant, with the proof that it is all of it."""

from datetime import datetime
from typing import Final

from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.transfer.copying import Tell, carry, differences, measure
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Counted, Positions, counted

UNFINISHED: Final = "arriving"


async def back_up(source: End, target: End, *, now: datetime, transfer: str, tell: Tell) -> Counted:
    """`target` is a new file; it counts as a backup only once everything in it was read again."""
    applied = await source.applied()
    if applied is None:
        raise TransferRefused(f"There is nothing to back up: {source.place} is empty.")
    if (mark := await source.mark()) is not None:
        raise TransferRefused(f"This database cannot be backed up: {mark.refusal}.")
    mark = Mark(kind="backup", transfer=transfer, place=now.isoformat(timespec="seconds"))
    await target.create(migrations.done(applied), mark)
    tables = await target.tables()
    carried = await carry(source, target, tables, tell)
    await check(target, carried, tell)
    return counted(carried)


async def check(backup: End, expected: Positions, tell: Tell) -> None:
    """Raises `TransferRefused` where the file does not hold exactly what was put into it."""
    if (damage := await backup.damage()) is not None:
        raise TransferRefused(f"{backup.place} is damaged: {damage}. Take another backup.")
    found = await measure(backup, await backup.tables(), tell)
    if wrong := differences(expected, found):
        raise TransferRefused(
            f"{backup.place} is damaged: not what was put into {', '.join(wrong)}. Take another one."
        )
