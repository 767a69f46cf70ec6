"""The one writer: a thread that commits whatever has queued as one transaction, and answers after the COMMIT.

There is no timer: while one batch is made durable, the next one queues, and what one turn of the event loop
submits arrives together. Handed over one by one, each would have a COMMIT to itself: a core that is shared
with the loop makes one durable about as fast as the loop brings the next. Every transition runs in a savepoint,
so one that fails does not take its neighbours along. SQLite may roll back everything on a full disk or an IO
error; the writer looks after every item whether it is still inside its transaction, and if it is not, nothing
of the batch counts.
"""

import asyncio
import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, Final, TypeVar

import apsw

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import InDoubt, StoreUnavailable
from innkeeper.server.storage.sqlite.faults import translated
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writing_handle import WritingHandle

T = TypeVar("T")
Run = Callable[[Transaction], Any]
QUEUE_LIMIT: Final = 4096
_BATCH_LIMIT: Final = 256
_IDLE_S: Final = 0.05
# A command in another process polls for the lock every millisecond at most. A writer that is never idle would
# keep it out, so it leaves the door open for a moment now and then; what arrives meanwhile joins the next batch.
_BUSY_S: Final = 0.04
_OPEN_DOOR_S: Final = 0.0012
_TRIES: Final = 3
_LOG: Final = logging.getLogger(__name__)


class _Item:
    """One transition, who waits for it, and what became of it."""

    __slots__ = ("error", "future", "outcome", "run")

    def __init__(self, run: Run, future: "asyncio.Future[Any]") -> None:
        self.run = run
        self.future = future
        self.outcome: Any = None
        self.error: Exception | None = None


class _BatchLost(Exception):
    """The transaction is gone, with everything that the batch had done."""


class _CommitFailed(Exception):
    """COMMIT was sent and refused. What an error of the disk leaves of it is seen when the file is opened again."""


class _AnswerLost(Exception):
    """COMMIT was sent, and whether it happened is not known."""


class Writer:
    """`submit` may be called from any event loop; everything else happens on the writer's own thread."""

    def __init__(self, handle: WritingHandle, counters: Counters, *, queue_limit: int = QUEUE_LIMIT) -> None:
        self._handle = handle
        self._counters = counters
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        self._queue_limit = queue_limit
        self._is_closing = False
        self._ends = Event()
        self._idle_at = monotonic()
        self.loses_next_answer = False
        self._thread = Thread(target=self._work, name="innkeeper-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        """Queues a transition. Cancelling the future changes nothing about the transition."""
        if self._is_closing:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        gathered = self._gathered.get(loop)
        if self._queue.qsize() + (len(gathered) if gathered else 0) >= self._queue_limit:
            raise StoreUnavailable("too many transitions are waiting")
        future: asyncio.Future[T] = loop.create_future()
        item = _Item(run, future)
        if gathered is None:
            self._gathered[loop] = [item]
            loop.call_soon(self._hand_over, loop)
        else:
            gathered.append(item)
        return future

    def close(self) -> None:
        """Waits for everything that was accepted."""
        if not self._is_closing:
            self._is_closing = True
            self._ends.set()
            for loop in list(self._gathered):
                self._hand_over(loop)
            self._queue.put(None)
        self._thread.join()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """What this loop has submitted in one turn. Nothing is left when `close` was faster."""
        for item in self._gathered.pop(loop, ()):
            self._queue.put(item)

    def _work(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._take()
            # Whatever goes wrong, the thread goes on: without it everybody would wait for ever.
            try:
                if batch:
                    self._process(batch)
                    _answer(batch)
                    self._let_others_in()
                self._handle.between_batches(is_idle=not batch)
            except StoreUnavailable as error:
                _LOG.error("SQLite: %s", error)
            except Exception:
                _LOG.exception("SQLite: housekeeping failed")
        self._handle.close()

    def _take(self) -> tuple[list[_Item], bool]:
        """Whatever has queued, up to a bound; empty when nothing came for a while. False: the last batch."""
        batch: list[_Item] = []
        asked_at = monotonic()
        try:
            item = self._queue.get(timeout=_IDLE_S)
            if monotonic() - asked_at > _OPEN_DOOR_S:
                self._idle_at = monotonic()
            while item is not None:
                batch.append(item)
                if len(batch) >= _BATCH_LIMIT:
                    return batch, True
                item = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _let_others_in(self) -> None:
        if monotonic() - self._idle_at > _BUSY_S:
            self._ends.wait(_OPEN_DOOR_S)
            self._idle_at = monotonic()

    def _process(self, batch: list[_Item]) -> None:
        """Runs the batch; only a lost answer is tried again, and every item then knows its own attempt."""
        for number in range(_TRIES):
            try:
                self._commit(batch, is_retry=number > 0)
                return
            except _AnswerLost:
                continue
            except Exception as error:
                self._handle.give_up()
                _LOG.error("SQLite: a batch of %d transitions was lost: %s", len(batch), error)
                is_in_doubt = number > 0 or isinstance(error, _CommitFailed)
                _refuse(batch, InDoubt(str(error)) if is_in_doubt else StoreUnavailable(str(error)))
                return
        _refuse(batch, InDoubt("whether COMMIT happened could not be found out"))

    def _commit(self, batch: list[_Item], *, is_retry: bool) -> None:
        transaction = self._handle.begin(is_retry=is_retry)
        for item in batch:
            self._run(item, transaction)
        self._handle.stamp()
        try:
            self._handle.execute("COMMIT")
        except apsw.Error as error:
            raise _CommitFailed(str(error)) from error
        self._counters.commits += 1
        if self.loses_next_answer:
            self.loses_next_answer = False
            raise _AnswerLost

    def _run(self, item: _Item, transaction: Transaction) -> None:
        execute = self._handle.execute
        self._counters.transitions += 1
        item.error = None
        execute("SAVEPOINT transition")
        try:
            item.outcome = item.run(transaction)
        except Exception as error:
            item.error = translated(error) if isinstance(error, apsw.Error) else error
        # SQLITE_FULL and IO errors may have rolled back everything: whatever ran now would commit by itself.
        if not self._handle.connection.in_transaction:
            raise _BatchLost(str(item.error)) from item.error
        if item.error is not None:
            execute("ROLLBACK TO transition")
        execute("RELEASE transition")


def _refuse(batch: list[_Item], error: StoreUnavailable) -> None:
    # One for each: whoever raises it adds their own trace.
    for item in batch:
        item.error = type(error)(str(error))


def _answer(batch: list[_Item]) -> None:
    """One wake-up of the event loop for the whole batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
    for item in batch:
        by_loop.setdefault(item.future.get_loop(), []).append(item)
    for loop, items in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, items)
        except RuntimeError:
            # The loop was closed: nobody is left to be told.
            continue


def _resolve(items: list[_Item]) -> None:
    for item in items:
        if item.future.done():
            continue
        if item.error is None:
            item.future.set_result(item.outcome)
        else:
            item.future.set_exception(item.error)
