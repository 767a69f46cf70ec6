"""Deleting what is over. It is looked for on the readers' thread; the writer is only handed what to delete.

Rows under a time-ordered handle are found at the left edge of their table, a family brings its grant along. Codes,
grants and throttles are walked round and round: a code stays as long as its grant, and the keys of the others say
nothing about time. Nobody waits behind the looking, and behind the deleting for one small slice. Every deletion
asks once more whether the row is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from innkeeper.server.storage.sqlite.reader import Reader, Row
from innkeeper.server.storage.sqlite.rows import to_us
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

MARGIN: Final = timedelta(hours=1)
# A row deep in a large table may cost several pages from the disk: this many keep the writer for milliseconds.
SLICE: Final = 25
_EXAMINED: Final = 500
_WALK_SLICES: Final = 50


class Edge(msgspec.Struct, frozen=True):
    """A table whose ended rows lie at its left edge: how they are found, and what goes with each."""

    find: str
    deletes: tuple[str, ...]
    """One for each column that `find` answers; ?2 is the instant before which a row is over."""


_FIND_AT_EDGE: Final = "SELECT {key} FROM {table} WHERE {key} < ?1 AND {expiry} < ?2 ORDER BY {key} LIMIT ?3"
_DELETE_AT_EDGE: Final = "DELETE FROM {table} WHERE {key} = ?1 AND {expiry} < ?2"


def _at_edge(table: str, key: str, expiry: str) -> Edge:
    """Its keys begin with the latest possible expiry; the column stays the authority."""
    find, delete = (
        sql.format(table=table, key=key, expiry=expiry) for sql in (_FIND_AT_EDGE, _DELETE_AT_EDGE)
    )
    return Edge(find, (delete,))


DELETE_FAMILY: Final = "DELETE FROM refresh_families WHERE family_key = ?1 AND absolute_expires_at < ?2"
DELETE_GRANT: Final = "DELETE FROM grants WHERE grant_id = ?1 AND expires_at < ?2"
DELETE_CODE: Final = """
DELETE FROM authorization_codes AS a WHERE code_key = ?1 AND expires_at < ?2
  AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = a.grant_id)
"""
DELETE_THROTTLE: Final = "DELETE FROM throttles WHERE throttle_key = ?1 AND window_ends_at < ?2"
FAMILIES: Final = Edge(
    "SELECT family_key, grant_id FROM refresh_families"
    " WHERE family_key < ?1 AND absolute_expires_at < ?2 ORDER BY family_key LIMIT ?3",
    (DELETE_FAMILY, DELETE_GRANT),
)
# Its keys say nothing about time, so there is an index on the end (and no ?1).
ASSERTION_IDS: Final = Edge(
    "SELECT digest FROM assertion_ids WHERE expires_at < ?2 ORDER BY expires_at LIMIT ?3",
    ("DELETE FROM assertion_ids WHERE digest = ?1 AND expires_at < ?2",),
)
EDGES: Final = (
    _at_edge("access_tokens", "token_key", "expires_at"),
    FAMILIES,
    _at_edge("denied_tokens", "token_key", "expires_at"),
    _at_edge("device_codes", "device_key", "expires_at"),
    _at_edge("sessions", "session_key", "absolute_expires_at"),
    _at_edge("one_time_links", "link_key", "expires_at"),
    ASSERTION_IDS,
)
NEXT_CODES: Final = """
SELECT a.code_key, g.expires_at, a.grant_id, a.code_key
FROM authorization_codes a LEFT JOIN grants g ON g.grant_id = a.grant_id
WHERE a.code_key > ?1 ORDER BY a.code_key LIMIT ?2
"""
# Not every grant had a code: devices are approved without one.
NEXT_GRANTS: Final = (
    "SELECT grant_id, expires_at, grant_id FROM grants WHERE grant_id > ?1 ORDER BY grant_id LIMIT ?2"
)
NEXT_THROTTLES: Final = """
SELECT throttle_key, window_ends_at, throttle_key FROM throttles
WHERE throttle_key > ?1 ORDER BY throttle_key LIMIT ?2
"""


class Walk(msgspec.Struct, frozen=True):
    """A table that is gone through again and again: ?1 is the last key seen, ?2 how many come next."""

    find: str
    """Answers the key, when the row ends (None: long ago), and, with `deletes`, what goes."""
    start: bytes | str
    deletes: tuple[str, ...]


WALKS: Final = (
    Walk(NEXT_CODES, b"", (DELETE_GRANT, DELETE_CODE)),
    Walk(NEXT_GRANTS, "", (DELETE_GRANT,)),
    Walk(NEXT_THROTTLES, b"", (DELETE_THROTTLE,)),
)


class Purge:
    """Remembers how far it has walked; a restart begins at the beginning, which costs only time."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._cursors = {walk: walk.start for walk in WALKS}

    async def run(self, now: datetime, limit: int) -> int:
        """At most `limit` rows, slice by slice, each its own transition. Writes nothing where nothing is over."""
        before = now - MARGIN
        bounds = (_prefix(before), to_us(before), limit)
        found = await self._reader.snapshot(*((edge.find, bounds) for edge in EDGES))
        deleted = 0
        for edge, rows in zip(EDGES, found, strict=True):
            deleted += await self._delete(rows, edge.deletes, before, limit - deleted)
        for walk in WALKS:
            for _ in range(_WALK_SLICES):
                count, is_round = await self._step(walk, before, limit - deleted)
                deleted += count
                if is_round:
                    break
        return deleted

    async def _step(self, walk: Walk, before: datetime, limit: int) -> tuple[int, bool]:
        """How many rows went, and whether the walk has come to its end, or to that of `limit`."""
        rows = await self._reader.scan(walk.find, (self._cursors[walk], _EXAMINED))
        over = [row[2:] for row in rows if row[1] is None or row[1] < to_us(before)]
        deleted = await self._delete(over, walk.deletes, before, limit)
        if len(over) > limit // len(walk.deletes):
            return deleted, True
        is_round = len(rows) < _EXAMINED
        self._cursors[walk] = walk.start if is_round else rows[-1][0]
        return deleted, is_round

    async def _delete(self, rows: Sequence[Row], deletes: Sequence[str], before: datetime, limit: int) -> int:
        """Of each row every column by its own statement."""
        rows, deleted = rows[: limit // len(deletes)], 0
        for start in range(0, len(rows), SLICE):
            run = partial(_delete, rows[start : start + SLICE], deletes, to_us(before))
            deleted += await self._writer.submit(run)
        return deleted


def _delete(rows: Sequence[Row], deletes: Sequence[str], before_us: int, transaction: Transaction) -> int:
    return sum(
        transaction.change(sql, (key, before_us))
        for row in rows
        for sql, key in zip(deletes, row, strict=True)
    )


def _prefix(at: datetime) -> bytes:
    """The ordering bytes of handles that end at this instant (`model.handle`)."""
    return max(int(at.timestamp()), 0).to_bytes(5, "big")
