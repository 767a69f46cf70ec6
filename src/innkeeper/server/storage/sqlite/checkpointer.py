"""Moving the log into the database beside the writer, so that no commit waits while thousands of pages are copied.

SQLite would do it within the commit that makes the log long enough, and everybody behind that commit would wait for
the copying and its fsync. Here a thread with a connection of its own copies while the writer goes on; what was
committed meanwhile is little, and the writer moves that itself, after which the log begins anew.
"""

import logging
from pathlib import Path
from threading import Event, Thread
from typing import Final

import apsw

from innkeeper.server.storage.sqlite.connection import open_existing

EVERY_PAGES: Final = 4000
"""So many pages (of 4 KiB) more in the log are worth a move."""
AT_MOST_PAGES: Final = 8 * EVERY_PAGES
"""From here commits wait for the copying, as they would if SQLite did it."""
LONGEST_WAIT_S: Final = 10.0
_LOG: Final = logging.getLogger(__name__)


class Checkpointer:
    """`after_commit` and `take_rest` are called by the writer's thread; the copying has one of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asked_at_pages = 0
        self._is_wanted = Event()
        self._is_at_rest = Event()
        self._is_at_rest.set()
        self._has_moved = False
        self._is_closing = False
        self._thread: Thread | None = None

    def after_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite's hook: `pages` are in the log now."""
        if pages < self._asked_at_pages:
            self._asked_at_pages = 0
        if pages - self._asked_at_pages >= EVERY_PAGES:
            self._asked_at_pages = pages
            self.want()
        return apsw.SQLITE_OK

    def want(self) -> None:
        """Soon, on the other thread."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name="innkeeper-sqlite-checkpoints", daemon=True)
            self._thread.start()
        self._is_at_rest.clear()
        self._is_wanted.set()

    def take_rest(self) -> bool:
        """Whether the writer should move the rest now: what was committed while the other thread was copying."""
        is_too_long = self._asked_at_pages >= AT_MOST_PAGES
        if is_too_long:
            self._is_at_rest.wait(LONGEST_WAIT_S)
        has_moved, self._has_moved = self._has_moved, False
        return has_moved or is_too_long

    def close(self) -> None:
        """Waits for a copying under way."""
        self._is_closing = True
        self._is_wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        connection: apsw.Connection | None = None
        while self._is_wanted_and_open():
            connection = self._move(connection)
        _close(connection)

    def _is_wanted_and_open(self) -> bool:
        self._is_at_rest.set()
        self._is_wanted.wait()
        self._is_wanted.clear()
        self._is_at_rest.clear()
        return not self._is_closing

    def _move(self, connection: apsw.Connection | None) -> apsw.Connection | None:
        """Answers the connection for the next time."""
        try:
            connection = connection or _opened(self._path)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._has_moved = True
        except apsw.BusyError:
            pass  # another process is at it right now
        except apsw.Error as error:
            # Nothing is lost: the log keeps what was not moved, and the writer's commits tell of the disk.
            _LOG.error("SQLite: the log could not be moved into the database: %s", error)
            # Opened while the disk was read-only, it would stay so (F08).
            _close(connection)
            return None
        return connection


def _opened(path: Path) -> apsw.Connection:
    connection = open_existing(path)
    # A connection that has never read knows of no log, and would move nothing.
    connection.execute("PRAGMA schema_version").fetchall()
    return connection


def _close(connection: apsw.Connection | None) -> None:
    if connection is not None:
        connection.close(True)
