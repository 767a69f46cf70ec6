"""Moving a database to another store: sessions, refresh tokens and all. It can be killed at any point and run again.

Both ends are marked first, so that neither is served before everything has arrived and was compared. Then the old
one is marked for good, and only after that the new one is opened: whoever opens them finds one served at most.
Nodes that were connected to PostgreSQL before the mark are counted after it, and the move refused; who connects later
reads it. A pooler may hide a connection from both: its node reads the mark when it next asks for changes.
"""

from collections.abc import Sequence
from datetime import datetime

from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.model.events import DatabaseMoved
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.transfer.copying import Tell, carry, differences, measure
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Counted, Table, counted


async def move(
    source: End, target: End, *, now: datetime, transfer: str, may_replace: bool, tell: Tell
) -> Counted:
    """`transfer` names a move that begins now; one that was begun keeps its own name."""
    applied = await _ready(source)
    transfer = await _begun(source, target, transfer)
    leaving = Mark(kind="leaving", transfer=transfer, place=target.place)
    left = Mark(kind="left", transfer=transfer, place=target.place)
    arriving = Mark(kind="arriving", transfer=transfer, place=source.place)
    before, has_begun = await source.mark(), await target.mark() == arriving
    if before == left and not has_begun:
        raise TransferRefused(f"This database has moved to {target.place} already, and is served there.")
    if before != left and (may_replace or not has_begun):
        await _require_room(target, may_replace=may_replace)
        if before is None:  # first, so that a run that is killed here is found again
            await source.set_mark(leaving, expected=None)
        await source.require_alone()  # who connects from here on reads the mark
        await target.create(migrations.done(applied), arriving)
        await target.require_alone()
    tables = await target.tables()
    carried = await carry(source, target, tables, tell)
    if before != left:
        alone_since = await source.require_alone()
        await _compare(source, target, tables, tell)
        await source.set_mark(left, expected=leaving, alone_since=alone_since)
    await target.complete((), (), (DatabaseMoved(at=now, origin=source.place),), now=now)
    return counted(carried)


async def give_up(source: End) -> None:
    """The old database serves again. What has arrived at the other one is worth nothing."""
    mark = await source.mark()
    if mark is None or mark.kind != "leaving":
        reason = mark.refusal if mark else "it is not being moved"
        raise TransferRefused(f"There is no move to give up at {source.place}: {reason}.")
    await source.set_mark(None, expected=mark)


async def _ready(source: End) -> tuple[tuple[int, str], ...]:
    applied = await source.applied()
    if applied is None:
        raise TransferRefused(f"There is nothing to move: {source.place} is empty.")
    if migrations.pending(applied):
        raise TransferRefused(
            f"{source.place} has the schema of an older version: serve it once with this one first."
        )
    return applied


async def _begun(source: End, target: End, transfer: str) -> str:
    """The name of the move that is under way from here to there; `transfer` if there is none."""
    mark = await source.mark()
    if mark is None:
        return transfer
    if mark.kind not in ("leaving", "left") or mark.place != target.place:
        raise TransferRefused(f"{source.place} cannot be moved to {target.place}: {mark.refusal}.")
    return mark.transfer


async def _require_room(target: End, *, may_replace: bool) -> None:
    if await target.applied() is not None and not may_replace:
        raise TransferRefused(
            f"{target.place} holds a database already. With --replace it is deleted first, and cannot be brought back."
        )


async def _compare(source: End, target: End, tables: Sequence[Table], tell: Tell) -> None:
    there = await measure(target, tables, tell)
    if wrong := differences(await measure(source, tables, tell), there):
        raise TransferRefused(
            f"{', '.join(wrong)} of {source.place} and {target.place} differ: something was written to the old database"
            " meanwhile. Stop what writes to it, and run this with --replace."
        )
