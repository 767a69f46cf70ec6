"""Deleting what is over, in slices small enough to wait behind nobody.

Rows under a time-ordered handle are found at the left edge of their table. Codes, grants and throttles are walked
round and round instead: a code stays as long as its grant, and the keys of the others say nothing about time.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

MARGIN: Final = timedelta(hours=1)
_SLICE: Final = 200
_EXAMINED: Final = 500
_WALK_SLICES: Final = 50


# Their keys begin with the latest possible expiry; the column stays the authority.
_AT_EDGE: Final = (
    "DELETE FROM {table} WHERE {key} IN"
    " (SELECT {key} FROM {table} WHERE {key} < ?1 AND {expiry} < ?2 ORDER BY {key} LIMIT ?3)"
)
EDGES: Final = (
    _AT_EDGE.format(table="access_tokens", key="token_key", expiry="expires_at"),
    _AT_EDGE.format(table="refresh_families", key="family_key", expiry="absolute_expires_at"),
    _AT_EDGE.format(table="denied_tokens", key="token_key", expiry="expires_at"),
    _AT_EDGE.format(table="device_codes", key="device_key", expiry="expires_at"),
    _AT_EDGE.format(table="sessions", key="session_key", expiry="absolute_expires_at"),
    _AT_EDGE.format(table="one_time_links", key="link_key", expiry="expires_at"),
)
# Bound alike. Its keys say nothing about time, so there is an index on the end (and no ?1).
ASSERTION_IDS: Final = (
    "DELETE FROM assertion_ids WHERE digest IN"
    " (SELECT digest FROM assertion_ids WHERE expires_at < ?2 ORDER BY expires_at LIMIT ?3)"
)
NEXT_CODES: Final = """
SELECT a.code_key, a.grant_id, g.expires_at
FROM authorization_codes a LEFT JOIN grants g ON g.grant_id = a.grant_id
WHERE a.code_key > ?1 AND a.code_key < ?2 ORDER BY a.code_key LIMIT ?3
"""
DELETE_CODE: Final = "DELETE FROM authorization_codes WHERE code_key = ?1"
DELETE_GRANT: Final = "DELETE FROM grants WHERE grant_id = ?1"
# Not every grant had a code: devices are approved without one.
NEXT_GRANTS: Final = "SELECT grant_id, expires_at FROM grants WHERE grant_id > ?1 ORDER BY grant_id LIMIT ?2"
NEXT_THROTTLES: Final = """
SELECT throttle_key, window_ends_at FROM throttles
WHERE throttle_key > ?1 ORDER BY throttle_key LIMIT ?2
"""
DELETE_THROTTLE: Final = "DELETE FROM throttles WHERE throttle_key = ?1"


class Purge:
    """Remembers how far it has walked; a restart begins at the beginning, which costs only time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._code_cursor = b""
        self._grant_cursor = ""
        self._throttle_cursor = b""

    async def run(self, now: datetime, limit: int) -> int:
        """At most `limit` rows, slice by slice, each its own transition."""
        before = now - MARGIN
        deleted = 0
        for edge in (*EDGES, ASSERTION_IDS):
            while deleted < limit:
                size = min(_SLICE, limit - deleted)
                count = await self._writer.submit(partial(_delete_at_edge, edge, before, size))
                deleted += count
                if count < size:
                    break
        for walk in (self._codes, self._grants, self._throttles):
            for _ in range(_WALK_SLICES):
                count, is_round = await self._writer.submit(partial(walk, before, limit - deleted))
                deleted += count
                if is_round or deleted >= limit:
                    break
        return deleted

    def _codes(self, before: datetime, limit: int, transaction: Transaction) -> tuple[int, bool]:
        """How many rows went, and whether the walk has come to the end."""
        before_us, bound = to_us(before), _prefix(before)
        deleted = 0
        rows = transaction.rows(NEXT_CODES, (self._code_cursor, bound, _EXAMINED))
        for code_key, grant_id, grant_expires_us in rows:
            if deleted + 2 > limit:
                return deleted, True
            self._code_cursor = code_key
            if grant_expires_us is None or grant_expires_us < before_us:
                deleted += transaction.change(DELETE_CODE, (code_key,))
                deleted += transaction.change(DELETE_GRANT, (grant_id,))
        is_round = len(rows) < _EXAMINED
        if is_round:
            self._code_cursor = b""
        return deleted, is_round

    def _grants(self, before: datetime, limit: int, transaction: Transaction) -> tuple[int, bool]:
        before_us = to_us(before)
        deleted = 0
        rows = transaction.rows(NEXT_GRANTS, (self._grant_cursor, _EXAMINED))
        for grant_id, expires_us in rows:
            if deleted >= limit:
                return deleted, True
            self._grant_cursor = grant_id
            if expires_us < before_us:
                deleted += transaction.change(DELETE_GRANT, (grant_id,))
        is_round = len(rows) < _EXAMINED
        if is_round:
            self._grant_cursor = ""
        return deleted, is_round

    def _throttles(self, before: datetime, limit: int, transaction: Transaction) -> tuple[int, bool]:
        before_us = to_us(before)
        deleted = 0
        rows = transaction.rows(NEXT_THROTTLES, (self._throttle_cursor, _EXAMINED))
        for key, window_ends_us in rows:
            if deleted >= limit:
                return deleted, True
            self._throttle_cursor = key
            if window_ends_us < before_us:
                deleted += transaction.change(DELETE_THROTTLE, (key,))
        is_round = len(rows) < _EXAMINED
        if is_round:
            self._throttle_cursor = b""
        return deleted, is_round


def _delete_at_edge(sql: str, before: datetime, size: int, transaction: Transaction) -> int:
    return transaction.change(sql, (_prefix(before), to_us(before), size))


def _prefix(at: datetime) -> bytes:
    """The ordering bytes of handles that end at this instant (`model.handle`)."""
    return max(int(at.timestamp()), 0).to_bytes(5, "big")
