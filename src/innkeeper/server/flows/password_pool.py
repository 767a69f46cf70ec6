"""Hashes and checks passwords off the event loop, a bounded number at a time (DO-10).

Argon2 releases the interpreter's lock, so the token endpoint goes on answering while every worker is busy.
Known and unknown names take the same road through the same queue: time tells nothing (BF-10).
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from innkeeper.server.config import SignInLimits
from innkeeper.server.flows.services import Busy

Result = TypeVar("Result")


class PasswordPool:
    """`Passwords` of `services.py`. Never more workers than cores: more would only lengthen each wait."""

    def __init__(self, settings: SignInLimits) -> None:
        workers = max(1, min(settings.password_workers, _cores()))
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._places = BoundedSemaphore(workers + settings.password_queue)

    def warm(self) -> None:
        """Loads Argon2 and touches its memory now: the first person to sign in should not wait for it."""
        self._submit(_verify, None, "")

    async def verify(self, hash: str | None, password: str) -> bool:  # noqa: A002
        """Raises `Busy` when the queue is full."""
        return await asyncio.wrap_future(self._submit(_verify, hash, password))

    async def hash(self, password: str) -> str:
        """Raises `Busy` when the queue is full."""
        return await asyncio.wrap_future(self._submit(_hash, password))

    def needs_rehash(self, hash: str) -> bool:  # noqa: A002
        """Reads the parameters only; costs microseconds."""
        from innkeeper.server.identity.factors import password

        return password.needs_rehash(hash)

    def close(self) -> None:
        """Lets the running ones end and forgets the queue."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[..., Result], *arguments: str | None) -> "Future[Result]":
        if not self._places.acquire(blocking=False):
            raise Busy("too many passwords are being checked")
        try:
            future = self._executor.submit(work, *arguments)
        except BaseException:
            self._places.release()
            raise
        # The place is free when the work has ended, not when its caller has given up: a client that hangs up
        # early must not make room for its next request.
        future.add_done_callback(lambda _: self._places.release())
        return future


def _verify(known: str | None, given: str) -> bool:
    from innkeeper.server.identity.factors import password

    matches = password.verify(password.DUMMY_HASH if known is None else known, given)
    return matches and known is not None


def _hash(given: str) -> str:
    from innkeeper.server.identity.factors import password

    return password.hash(given)


def _cores() -> int:
    """Those this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
