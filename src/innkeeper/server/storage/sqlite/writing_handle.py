"""The writer's connection: opened, watched, given up when it is suspect, and opened again."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

import apsw

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.sqlite.checkpointer import Checkpointer
from innkeeper.server.storage.sqlite.connection import begin, open_writer
from innkeeper.server.storage.sqlite.faults import translated
from innkeeper.server.storage.sqlite.transaction import Transaction

STAMPED_EVERY: Final = timedelta(milliseconds=100)
"""A command beside the server may be ahead of it by so much: what it makes must not seem younger than its first use."""
STAMP: Final = "UPDATE instance SET committed_at = ?1 WHERE id = 1"
_WATCH_S: Final = 0.05
_CHECKPOINT_AFTER_COMMITS: Final = 64


class WritingHandle:
    """Belongs to the writer's thread; `on_foreign_commit`, `page_limit` and `now` are set from outside."""

    def __init__(self, path: Path, connection: apsw.Connection, counters: Counters) -> None:
        self._path = path
        self._counters = counters
        self._watched_at = 0.0
        self._checkpointed_commits = 0
        self._transaction: Transaction | None = None
        self._file = _identity(path)
        self.page_limit: int | None = None
        self.on_foreign_commit: Callable[[], None] | None = None
        self.now: Callable[[], datetime] | None = None
        self._stamped_at: datetime | None = None
        self._checkpointer = Checkpointer(path)
        self._adopt(connection)

    def begin(self, *, is_retry: bool) -> Transaction:
        """Starts a transaction, on a new connection if the last one was given up."""
        if self._transaction is None:
            self._reopen()
        elif monotonic() - self._watched_at > _WATCH_S:
            self._watch()
        if self._page_limit_in_force != self.page_limit:
            self._limit_pages()
        transaction = self._transaction
        assert transaction is not None
        begin(self.connection)
        transaction.is_retry = is_retry
        return transaction

    def stamp(self) -> None:
        """Writes into the running transaction what time it is, unless that was just done."""
        if self.now is None:
            return
        now = self.now()
        if self._stamped_at is None or now - self._stamped_at >= STAMPED_EVERY:
            self.execute(STAMP, (to_us(now),))
            self._stamped_at = now

    def between_batches(self, *, is_idle: bool) -> None:
        """Looks for other processes' commits; has the log moved into the database when there is time for it."""
        if self._transaction is None:
            return
        if self._checkpointer.take_rest():
            # Busy: another process is at it right now.
            self._move_the_log(unless=apsw.BusyError)
        if monotonic() - self._watched_at < _WATCH_S:
            return
        self._watch()
        commits = self._counters.commits
        if is_idle and commits - self._checkpointed_commits >= _CHECKPOINT_AFTER_COMMITS:
            self._checkpointed_commits = commits
            self._checkpointer.want()

    def give_up(self) -> None:
        """Nothing further runs on this connection; what was not committed is gone."""
        self._stamped_at = None
        if self._transaction is not None:
            self._transaction = None
            self.connection.close(True)

    def close(self) -> None:
        self._checkpointer.close()
        self.give_up()

    def _adopt(self, connection: apsw.Connection) -> None:
        self.connection = connection
        # One cursor for BEGIN to COMMIT: a new one for each costs as much as the statement.
        self.execute = connection.cursor().execute
        self._transaction = Transaction(connection, self._counters)
        # In place of SQLite's own, which moves the log within a commit.
        connection.set_wal_hook(self._checkpointer.after_commit)
        self._data_version = _data_version(connection)
        self._page_limit_in_force: int | None = None

    def _reopen(self) -> None:
        """Only the file that was opened at the start: another one does not belong to the log beside it."""
        self._require_file()
        try:
            connection = open_writer(self._path)
        except apsw.Error as error:
            raise translated(error) from error
        self._adopt(connection)
        # On a full disk it may be the log alone that finds no room (F07). What has been moved into the database is
        # written over; without this no commit would ever come that moves it.
        self._move_the_log(unless=apsw.Error)
        self._tell_of_foreign_commit()

    def _move_the_log(self, *, unless: type[apsw.Error]) -> None:
        with suppress(unless):
            self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _watch(self) -> None:
        """Every 50 ms at most: is the file still ours, and has somebody else written to it?"""
        self._watched_at = monotonic()
        self._require_file()
        version = _data_version(self.connection)
        if version != self._data_version:
            self._data_version = version
            self._tell_of_foreign_commit()

    def _require_file(self) -> None:
        """Writing on to a file that has lost its name would acknowledge what the next start cannot find."""
        if _identity(self._path) != self._file:
            self.give_up()
            raise StoreUnavailable(f"{self._path} was removed or replaced: put it back, or start again")

    def _tell_of_foreign_commit(self) -> None:
        if self.on_foreign_commit is not None:
            self.on_foreign_commit()

    def _limit_pages(self) -> None:
        self._page_limit_in_force = self.page_limit
        self.connection.pragma("max_page_count", self.page_limit or 0xFFFFFFFE)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _data_version(connection: apsw.Connection) -> int:
    """On the writer's own connection it changes for commits of others only."""
    version: int = connection.execute("PRAGMA data_version").get
    return version
