"""Which of SQLite's errors mean that the store is away, and which are our own mistakes."""

from typing import Final

import apsw

from innkeeper.server.storage.outcomes import StoreUnavailable

_OURS: Final = (
    apsw.SQLError,
    apsw.ConstraintError,
    apsw.BindingsError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.MisuseError,
    apsw.TooBigError,
)


def translated(error: apsw.Error) -> Exception:
    """A full disk, an IO error, a locked or closed file is StoreUnavailable; a wrong statement is a bug."""
    if isinstance(error, _OURS):
        return error
    return StoreUnavailable(f"SQLite: {type(error).__name__}: {error}")
