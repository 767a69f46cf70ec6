"""Rotations in batches: one statement and one commit for all that have come while the last batch was on its way.

It beats its own time: alone a rotation goes at once, under load many go together. This form is not portable (it sends
arrays), so a setting chooses it. The condition is that of the portable form, word for word; whoever does not win here
goes on alone, in the portable form, and learns why. So does everybody whose batch met a row that somebody holds.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from innkeeper.server.storage.postgresql.refresh_families import ROTATE, Rotation, values_of_rotation
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import ACCESS_TOKEN, to_us

MOST: Final = 128
# Somebody holds one of the rows: none of the batch has happened, and the others shall not wait for that one any longer.
MET: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_ASKED: Final = {
    "family_key": "BYTEA",
    "presented": "BIGINT",
    "attempt": "BYTEA",
    "now": "BIGINT",
    "judged_at": "BIGINT",
    "is_rotating": "SMALLINT",
    "idles": "BIGINT",
    "client_revision": "BIGINT",
    "client_epoch": "BIGINT",
    "user_epoch": "BIGINT",
    "consent_epoch": "BIGINT",
}
_TOKENS: Final = ("BYTEA", "TEXT", "TEXT", "BIGINT", "BYTEA")
_EVENTS: Final = ("BYTEA", "BIGINT", "TEXT", "BYTEA")


def _arrays(types: Sequence[str], first: int) -> str:
    """Of the numbers of the rotations, and of what is known of each."""
    places = enumerate(("BIGINT", *types), start=first)
    return ", ".join(f"CAST(${place} AS {kind}[])" for place, kind in places)


def _statement() -> str:
    won = re.sub(r":(\w+)", r"q.\1", ROTATE).replace(
        "WHERE a.family_key", "FROM asked AS q\nWHERE a.family_key", 1
    )
    tokens = 2 + len(_ASKED)
    events = tokens + 1 + len(_TOKENS)
    return _ALL.format(
        asked=_arrays(list(_ASKED.values()), 1),
        names=", ".join(_ASKED),
        won=won.replace("RETURNING generation", "RETURNING q.number, a.generation"),
        tokens=_arrays(_TOKENS, tokens),
        events=_arrays(_EVENTS, events),
    )


_ALL: Final = """
WITH asked AS (SELECT * FROM unnest({asked}) AS q (number, {names})),
won AS ({won}),
token AS (
    INSERT INTO access_tokens (token_key, grant_id, client_id, expires_at, record)
    SELECT t.token_key, t.grant_id, t.client_id, t.expires_at, t.record
    FROM unnest({tokens}) AS t (number, token_key, grant_id, client_id, expires_at, record)
    JOIN won ON won.number = t.number
    ON CONFLICT (token_key) DO NOTHING
),
audit AS (
    INSERT INTO audit_events (event_key, at, type, record)
    SELECT e.event_key, e.at, e.type, e.record
    FROM unnest({events}) AS e (number, event_key, at, type, record)
    JOIN won ON won.number = e.number
    ON CONFLICT (event_key) DO NOTHING
)
SELECT number, generation FROM won
"""
ROTATE_ALL: Final = _statement()


class RotationBatches:
    """Belongs to one store. One batch is on its way at a time."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self._waiting: list[tuple[Rotation, asyncio.Future[int | None]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def rotated(self, rotation: Rotation) -> int | None:
        """The generation that lives now; None: not by this statement. Raises StoreUnavailable."""
        told: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rotation, told))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await told

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._send(batch)
        finally:
            self._runner = None

    async def _send(self, batch: list[tuple[Rotation, "asyncio.Future[int | None]"]]) -> None:
        rotations = [rotation for rotation, _ in batch]
        try:
            won = await self._transitions.at_once(partial(_rotate_all, rotations))
        except Exception as error:
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
            return
        for number, (_, told) in enumerate(batch):
            if not told.done():
                told.set_result(won.get(number))


async def _rotate_all(rotations: Sequence[Rotation], statements: Statements) -> dict[int, int]:
    """The generation that lives, by the number of each rotation that won."""
    values = [values_of_rotation(rotation) for rotation in rotations]
    asked: list[list[Any]] = [list(range(len(rotations)))]
    asked += [[row[name] for row in values] for name in _ASKED]
    tokens = [
        (
            number,
            token.key,
            token.grant_id,
            token.client_id,
            to_us(token.expires_at),
            ACCESS_TOKEN.encode(token),
        )
        for number, rotation in enumerate(rotations)
        if (token := rotation.access_token) is not None
    ]
    events = [
        (number, *columns)
        for number, rotation in enumerate(rotations)
        for columns in rotation.rotated.columns
    ]
    arrays = (*asked, *_columns(tokens, 1 + len(_TOKENS)), *_columns(events, 1 + len(_EVENTS)))
    try:
        return dict(await statements.batch(ROTATE_ALL, arrays))
    except MET:
        # Of a try that was lost before nobody knows whether it is what holds the rows: then all of it is asked again.
        if statements.is_retry:
            raise
        return {}


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]
