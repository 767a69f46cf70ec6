"""Bringing a backup back. The database goes back in time: what may have been revoked since then is ended.

What the backup cannot know is ended by a sweep here, once, while nobody serves the database. An epoch of the whole
database would be compared with every token for ever.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from innkeeper.server.flows.transfer.backup import check
from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.model.events import DatabaseRestored
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.transfer.copying import Tell, carry, differences, measure
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Counted, Positions, counted

ENDED_BY_A_RESTORE: Final = (
    # With them every code, refresh token and access token that came from them.
    "UPDATE grants SET revoked_at = {now_us} WHERE revoked_at IS NULL",
    "DELETE FROM sessions",
    "DELETE FROM access_tokens",
    # JWTs that apps got for themselves have no row. `iat` counts whole seconds, so the next one.
    "UPDATE clients SET tokens_not_before = {next_second_us}",
    # A consent that was taken back since would be given again without a question.
    "DELETE FROM consents",
    # Used since, perhaps.
    "DELETE FROM device_codes",
    "DELETE FROM one_time_links",
)


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read to its end and found whole."""

    transfer: str
    made_at: str
    migrations: tuple[migrations.Migration, ...]
    content: Positions

    @property
    def counted(self) -> Counted:
        return counted(self.content)


async def verify(source: End, tell: Tell) -> Backup:
    """Raises `TransferRefused` for a file that is no backup, or not a whole one."""
    applied, mark = await source.applied(), await source.mark()
    if applied is None or mark is None or mark.kind != "backup":
        raise TransferRefused(f"{source.place} is not a backup that `innkeeper backup` has made.")
    known = migrations.done(applied)
    content = await source.positions()
    if not content or not all(position.is_complete for position in content.values()):
        raise TransferRefused(f"{source.place} was not written to its end. Take another backup.")
    await check(source, content, tell)
    return Backup(transfer=mark.transfer, made_at=mark.place, migrations=known, content=content)


async def restore(
    source: End, target: End, backup: Backup, *, may_replace: bool, now: datetime, tell: Tell
) -> None:
    """After a kill the same call goes on where it was; until it is through, nobody serves `target`."""
    mark = Mark(kind="arriving", transfer=backup.transfer, place=source.place)
    if not await _has_begun(target, backup):
        if await target.applied() is not None and not may_replace:
            raise TransferRefused(
                f"{target.place} holds a database already. With --replace it is deleted first, and cannot be"
                " brought back: back it up before."
            )
        await target.create(backup.migrations, mark)
        await target.require_alone()  # who connects from here on reads the mark
    tables = await target.tables()
    await carry(source, target, tables, tell)
    if wrong := differences(backup.content, await measure(target, tables, tell)):
        raise TransferRefused(f"{target.place} did not take what was written to {', '.join(wrong)}.")
    applied = await target.applied()
    # Tokens carry the time of the database. On a machine that is behind it, some would outlive what ends them.
    now = max(now, await target.time() or now)
    await target.complete(
        migrations.pending(applied or ()),
        [change.format(**_instants(now)) for change in ENDED_BY_A_RESTORE],
        (DatabaseRestored(at=now, made_at=backup.made_at),),
        now=now,
    )


async def _has_begun(target: End, backup: Backup) -> bool:
    """The same backup was being restored here, and its schema is the one it began with."""
    mark = await target.mark()
    if mark is None or (mark.kind, mark.transfer) != ("arriving", backup.transfer):
        return False
    return await target.applied() == tuple((known.number, known.checksum) for known in backup.migrations)


def _instants(now: datetime) -> dict[str, int]:
    next_second = now.replace(microsecond=0) + timedelta(seconds=1)
    return {"now_us": _us(now), "next_second_us": _us(next_second)}


def _us(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, at.tzinfo)) // timedelta(microseconds=1)
