"""Deleting what is over: how it is found and in which slices it goes, in every database alike.

Rows under a time-ordered handle are found at the left edge of their table, a family brings its grant along. Codes,
grants and throttles are walked round and round: a code stays as long as its grant, and the keys of the others say
nothing about time. Looking is reading, so nobody waits behind it; behind the deleting, for one small slice. Every
deletion asks once more whether the row is over.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from innkeeper.server.storage.rows import Value, to_us

MARGIN: Final = timedelta(hours=1)
# A row deep in a large table may cost several pages from the disk: this many keep the only writer of SQLite a while.
SLICE: Final = 25
_EXAMINED: Final = 500
_WALK_SLICES: Final = 50

Row = tuple[Any, ...]
Look = Callable[..., Awaitable[Sequence[Sequence[Row]]]]
"""Several queries, each with its values, in one go."""
Delete = Callable[[Sequence[Row], Sequence[str], int], Awaitable[int]]
"""One transition: of each row every column by its own statement; ?2 is the instant before which rows are over."""


class Edge(msgspec.Struct, frozen=True):
    """A table whose ended rows lie at its left edge: how they are found, and what goes with each."""

    find: str
    deletes: tuple[str, ...]
    is_by_handle: bool = True
    """Its first value is the prefix that handles of that instant have; otherwise there is none."""

    def marked(self, mark: str) -> "Edge":
        """With the placeholders of another database."""
        deletes = tuple(sql.replace("?", mark) for sql in self.deletes)
        return Edge(self.find.replace("?", mark), deletes, self.is_by_handle)

    def bounds(self, before: datetime, limit: int) -> tuple[Value, ...]:
        """What `find` is asked with."""
        bounds = (to_us(before), limit)
        return (_prefix(before), *bounds) if self.is_by_handle else bounds


class Walk(msgspec.Struct, frozen=True):
    """A table that is gone through again and again: ?1 is the last key seen, ?2 how many come next."""

    find: str
    """Answers the key, when the row ends (None: long ago), and, one for each of `deletes`, what goes."""
    start: bytes | str
    deletes: tuple[str, ...]

    def marked(self, mark: str) -> "Walk":
        """With the placeholders of another database."""
        deletes = tuple(sql.replace("?", mark) for sql in self.deletes)
        return Walk(self.find.replace("?", mark), self.start, deletes)


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
# In the same transition after its grant, which may have been another's to delete.
DELETE_CODE: Final = """
DELETE FROM authorization_codes WHERE code_key = ?1 AND expires_at < ?2
  AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = authorization_codes.grant_id)
"""
DELETE_THROTTLE: Final = "DELETE FROM throttles WHERE throttle_key = ?1 AND window_ends_at < ?2"
EDGES: Final = (
    _at_edge("access_tokens", "token_key", "expires_at"),
    Edge(
        "SELECT family_key, grant_id FROM refresh_families"
        " WHERE family_key < ?1 AND absolute_expires_at < ?2 ORDER BY family_key LIMIT ?3",
        (DELETE_FAMILY, DELETE_GRANT),
    ),
    _at_edge("denied_tokens", "token_key", "expires_at"),
    _at_edge("device_codes", "device_key", "expires_at"),
    _at_edge("sessions", "session_key", "absolute_expires_at"),
    _at_edge("one_time_links", "link_key", "expires_at"),
    # Its keys say nothing about time, so there is an index on the end.
    Edge(
        "SELECT digest FROM assertion_ids WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2",
        ("DELETE FROM assertion_ids WHERE digest = ?1 AND expires_at < ?2",),
        is_by_handle=False,
    ),
)
NEXT_CODES: Final = """
SELECT a.code_key, g.expires_at, a.grant_id, a.code_key
FROM authorization_codes a LEFT JOIN grants g ON g.grant_id = a.grant_id
WHERE a.code_key > ?1 ORDER BY a.code_key LIMIT ?2
"""
# Not every grant had a code or a family: those of machines' tokens have neither.
NEXT_GRANTS: Final = (
    "SELECT grant_id, expires_at, grant_id FROM grants WHERE grant_id > ?1 ORDER BY grant_id LIMIT ?2"
)
NEXT_THROTTLES: Final = """
SELECT throttle_key, window_ends_at, throttle_key FROM throttles
WHERE throttle_key > ?1 ORDER BY throttle_key LIMIT ?2
"""
WALKS: Final = (
    Walk(NEXT_CODES, b"", (DELETE_GRANT, DELETE_CODE)),
    Walk(NEXT_GRANTS, "", (DELETE_GRANT,)),
    Walk(NEXT_THROTTLES, b"", (DELETE_THROTTLE,)),
)


class Purge:
    """Remembers how far it has walked; a restart begins at the beginning, which costs only time."""

    def __init__(
        self,
        look: Look,
        delete: Delete,
        *,
        edges: Sequence[Edge] = EDGES,
        walks: Sequence[Walk] = WALKS,
        slice_rows: int = SLICE,
    ) -> None:
        self._look = look
        self._delete = delete
        self._edges = edges
        self._slice_rows = slice_rows
        self._cursors = {walk: walk.start for walk in walks}

    async def run(self, now: datetime, limit: int) -> int:
        """At most `limit` rows, slice by slice, each its own transition. Writes nothing where nothing is over."""
        before = now - MARGIN
        found = await self._look(*((edge.find, edge.bounds(before, limit)) for edge in self._edges))
        deleted = 0
        for edge, rows in zip(self._edges, found, strict=True):
            deleted += await self._delete_in_slices(rows, edge.deletes, before, limit - deleted)
        for walk in self._cursors:
            for _ in range(_WALK_SLICES):
                count, is_round = await self._step(walk, before, limit - deleted)
                deleted += count
                if is_round:
                    break
        return deleted

    async def _step(self, walk: Walk, before: datetime, limit: int) -> tuple[int, bool]:
        """How many rows went, and whether the walk has come to its end, or to that of `limit`."""
        if limit < len(walk.deletes):
            return 0, True
        [rows] = await self._look((walk.find, (self._cursors[walk], _EXAMINED)))
        over = [row[2:] for row in rows if row[1] is None or row[1] < to_us(before)]
        deleted = await self._delete_in_slices(over, walk.deletes, before, limit)
        if len(over) > limit // len(walk.deletes):
            return deleted, True
        is_round = len(rows) < _EXAMINED
        self._cursors[walk] = walk.start if is_round else rows[-1][0]
        return deleted, is_round

    async def _delete_in_slices(
        self, rows: Sequence[Row], deletes: Sequence[str], before: datetime, limit: int
    ) -> int:
        rows, deleted = rows[: limit // len(deletes)], 0
        for start in range(0, len(rows), self._slice_rows):
            part = rows[start : start + self._slice_rows]
            deleted += await self._delete(part, deletes, to_us(before))
        return deleted


def _prefix(at: datetime) -> bytes:
    """The ordering bytes of handles that end at this instant (`model.handle`)."""
    return max(int(at.timestamp()), 0).to_bytes(5, "big")
