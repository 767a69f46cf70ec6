"""Failed client authentications per address, in this process alone: no write, and nobody is locked out by name."""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

import msgspec

from innkeeper.server.identity.lockout import address_group

MAX_FAILURES: Final = 60
WINDOW: Final = timedelta(minutes=1)
MAX_ADDRESSES: Final = 10_000


class _Window(msgspec.Struct):
    ends_at: datetime
    failures: int = 0


class FailedClients:
    """A window begins with an address's first failure. Who succeeds neither counts nor takes anything back."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def wait(self, address: str, now: datetime) -> timedelta | None:
        """How long this address has to wait before it is listened to again; None for now is good."""
        window = self._windows.get(address_group(address))
        if window is None or window.failures < MAX_FAILURES or now >= window.ends_at:
            return None
        return window.ends_at - now

    def count(self, address: str, now: datetime) -> None:
        """One more failure. Of too many addresses the one whose window began first is forgotten."""
        name = address_group(address)
        window = self._windows.get(name)
        if window is None or now >= window.ends_at:
            window = self._windows[name] = _Window(ends_at=now + WINDOW)
            self._windows.move_to_end(name)
        window.failures += 1
        if len(self._windows) > MAX_ADDRESSES:
            self._windows.popitem(last=False)
