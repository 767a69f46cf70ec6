"""The switches of a bad disk: a few numbers in a file that the test and the server both map into memory."""

from __future__ import annotations

import mmap
import struct
from enum import IntFlag
from pathlib import Path
from typing import Final

_NUMBER: Final = struct.Struct("<Q")
_NAMES: Final = ("faults", "injected", "syncs", "operations", "kill_at", "power_off", "power_off_at")


class Fault(IntFlag):
    """What goes wrong. Reading works but for `READ`."""

    SYNC = 1
    """fsync says EIO. As on Linux, what it should have made durable never will be, unless it is written again."""
    WRITE = 2
    FULL = 4
    READ = 8
    READ_ONLY = 16
    """The file system was mounted read-only after an error: writing fails, and files open for reading only."""


class DiskControls:
    """`faults` is set by the test; the counters are set by the server, and tell whether a fault was met at all."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBER.size * len(_NAMES)))
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @property
    def faults(self) -> Fault:
        return Fault(self._get("faults"))

    @faults.setter
    def faults(self, faults: Fault) -> None:
        self._set("faults", faults)

    @property
    def injected(self) -> int:
        """How many operations have failed because they were to."""
        return self._get("injected")

    @injected.setter
    def injected(self, count: int) -> None:
        self._set("injected", count)

    @property
    def syncs(self) -> int:
        """How often something was made durable."""
        return self._get("syncs")

    @syncs.setter
    def syncs(self, count: int) -> None:
        self._set("syncs", count)

    @property
    def operations(self) -> int:
        """Writes, truncations and syncs so far."""
        return self._get("operations")

    @operations.setter
    def operations(self, count: int) -> None:
        self._set("operations", count)

    @property
    def kill_at(self) -> int:
        """The process dies just before the operation with this number, or the next if it has had that; 0: never."""
        return self._get("kill_at")

    @kill_at.setter
    def kill_at(self, number: int) -> None:
        self._set("kill_at", number)

    @property
    def power_off_at(self) -> int:
        """As `kill_at`, with the loss of power."""
        return self._get("power_off_at")

    @power_off_at.setter
    def power_off_at(self, number: int) -> None:
        self._set("power_off_at", number)

    @property
    def power_off(self) -> bool:
        """The machine loses its power now: what was not made durable may be gone."""
        return bool(self._get("power_off"))

    @power_off.setter
    def power_off(self, is_off: bool) -> None:
        self._set("power_off", int(is_off))

    def _get(self, name: str) -> int:
        number: int = _NUMBER.unpack_from(self._memory, _NAMES.index(name) * _NUMBER.size)[0]
        return number

    def _set(self, name: str, number: int) -> None:
        _NUMBER.pack_into(self._memory, _NAMES.index(name) * _NUMBER.size, number)
