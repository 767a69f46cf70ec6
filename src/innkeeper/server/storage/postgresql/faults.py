"""Which errors mean that the database is away, which that a transition must be tried again, and which are our own."""

from typing import Final

import asyncpg

from innkeeper.server.storage.outcomes import StoreUnavailable


class Overtaken(Exception):
    """Somebody else changed what this transition was about to rely on: nothing of it has happened."""


class NotConnected(StoreUnavailable):
    """No host gave a connection. `is_momentary`: one of them was slow, or about to start or stop."""

    def __init__(self, message: str, *, is_momentary: bool) -> None:
        super().__init__(message)
        self.is_momentary = is_momentary


# Two transitions met: nothing of this one happened, and the same statements may be tried at once.
# A unique key that somebody took meanwhile is seen by the reads of the next try.
COLLISIONS: Final = (
    Overtaken,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
)
# This server takes no writes, or nobody at all, for now: nothing happened, and another one may.
UNWILLING: Final = (asyncpg.ReadOnlySQLTransactionError, asyncpg.CannotConnectNowError)
# The connection broke: whether a COMMIT that was under way has happened is not known.
LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
# The server lives but cannot or will not do it now: a full disk, too many connections.
AWAY: Final = (
    *UNWILLING,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


def translated(error: Exception) -> Exception:
    """A lost or unwilling database is StoreUnavailable; a wrong statement is a bug. Never the DSN."""
    if isinstance(error, (*LOST, *AWAY, TimeoutError)):
        return StoreUnavailable(f"PostgreSQL: {type(error).__name__}: {error}")
    return error
