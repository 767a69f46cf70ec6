"""What the store demands of its address and of the database before it works there."""

import re
import time
from typing import Final

from innkeeper.server.storage.postgresql import hosts
from innkeeper.server.storage.postgresql import pool as pools
from innkeeper.server.storage.postgresql.pool import SESSION, Connection, Pool
from innkeeper.server.storage.schema.migrations import SchemaRefused

COMMITS: Final = "SHOW synchronous_commit"
LOCK_WAIT: Final = "SHOW lock_timeout"
IDLE_WAIT: Final = "SHOW idle_in_transaction_session_timeout"
ROLE: Final = "SELECT current_user"
_PATIENCE_S: Final = 60.0
_UNITS_S: Final = {"us": 1e-6, "": 1e-3, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def refuse_several_poolers(url: str) -> None:
    """Raises SchemaRefused: what is asked of a connection is no answer about the next statement behind a pooler.

    A standby behind one of them would show a token that was revoked as alive, for as long as it lags.
    """
    if hosts.are_several(url):
        raise SchemaRefused(
            "database.url names several hosts, and with database.pooler it cannot be seen which of them takes writes:"
            " give it the one address of the pooler, and let the pooler follow the primary"
        )


async def refuse_unfit(pool: Pool, *, pooler: bool) -> None:
    """Raises SchemaRefused where an answer could leave before what it says is on disk, or what it denies still come."""
    async with pool.connection(time.monotonic() + _PATIENCE_S) as connection:
        if await connection.fetchval(COMMITS) == "off":
            raise SchemaRefused(
                "the database forgets what it has acknowledged when it crashes (synchronous_commit is off), and"
                " with it revocations: set it to on for this database or this role"
            )
        if pooler:
            await _refuse_endless_waits(connection)


async def _refuse_endless_waits(connection: Connection) -> None:
    """A pooler lets nobody set this for a session, and goes on with a statement whose client has given up."""
    lock_s = _seconds(await connection.fetchval(LOCK_WAIT))
    idle_s = _seconds(await connection.fetchval(IDLE_WAIT))
    if 0 < lock_s < pools.COMMAND_S and idle_s:
        return
    role = str(await connection.fetchval(ROLE)).replace('"', '""')
    names = ("lock_timeout", "idle_in_transaction_session_timeout")
    mends = " ".join(f"ALTER ROLE \"{role}\" SET {name} = '{SESSION[name]}';" for name in names)
    raise SchemaRefused(
        "a statement that waits for a row would happen behind the pooler after its request was told that it did not"
        f" (lock_timeout has to be under {pools.COMMAND_S:g} s, idle_in_transaction_session_timeout more than 0):"
        f" {mends} Then let the pooler connect anew (RECONNECT)"
    )


def _seconds(shown: str) -> float:
    """Of `1500ms` or `1min`, as PostgreSQL shows a time; 0 is none."""
    number, unit = re.fullmatch(r"(\d+)(\w*)", shown).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS_S[unit]
