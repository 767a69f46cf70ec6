"""`python -m tests.faults.storage.bad_disk CONTROLS serve ...`: `innkeeper` on a disk that fails when it is told to.

SQLite's own door to files, its VFS, is wrapped (apsw), so that everything above it is the server as it is. The disk
remembers what every page of a file held when it was last made durable. When the power goes, pages that were written
since come back as they were, or not, by chance: as real disks do. A page whose fsync failed is never durable until it
is written again: the kernel takes it for clean (F06).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NoReturn

import apsw

from tests.faults.storage.disk_controls import DiskControls, Fault

PAGE: Final = 4096
WATCH_S: Final = 0.002
_Content = bytes | None


class Pages:
    """What the pages of one file held when they were last durable; None: they were beyond its end."""

    def __init__(self, path: str) -> None:
        # Never closed: closing any descriptor of a file gives up all locks that the process has on it.
        self.descriptor = os.open(path, os.O_RDWR)
        self.unsynced: dict[int, _Content] = {}
        self.forgotten: dict[int, _Content] = {}

    def about_to_change(self, start: int, end: int) -> None:
        for number in range(start // PAGE, (end + PAGE - 1) // PAGE):
            if number in self.forgotten:
                self.unsynced.setdefault(number, self.forgotten.pop(number))
            elif number not in self.unsynced:
                held = os.pread(self.descriptor, PAGE, number * PAGE)
                self.unsynced[number] = held or None

    def are_durable(self) -> None:
        self.unsynced.clear()

    def are_forgotten(self) -> None:
        """The kernel reported the error once, and takes them for clean."""
        for number, held in self.unsynced.items():
            self.forgotten.setdefault(number, held)
        self.unsynced.clear()

    def lose_power(self, chance: random.Random) -> None:
        back = {number: held for number, held in self.unsynced.items() if chance.random() < 0.7}
        back |= self.forgotten
        for number, held in sorted(back.items()):
            os.pwrite(self.descriptor, (held or b"").ljust(PAGE, b"\0"), number * PAGE)
        self._cut_off_what_never_was(back)

    def _cut_off_what_never_was(self, back: dict[int, _Content]) -> None:
        size = os.fstat(self.descriptor).st_size
        while size and (number := (size - 1) // PAGE) in back and len(back[number] or b"") < PAGE:
            size = number * PAGE + len(back[number] or b"")
            if size % PAGE:
                break
        os.ftruncate(self.descriptor, size)


class Disk:
    """All files of the process. Its lock makes an operation and the loss of power exclude each other."""

    def __init__(self, controls: DiskControls) -> None:
        self.controls = controls
        self.lock = threading.RLock()
        self._files: dict[str, Pages] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def pages(self, path: str) -> Pages:
        with self.lock:
            if path not in self._files:
                self._files[path] = Pages(path)
            return self._files[path]

    def count(self) -> None:
        """One more operation that changes something; death may come before it."""
        self.controls.operations += 1
        number = self.controls.operations
        if 0 < self.controls.kill_at <= number:
            self.die()
        if 0 < self.controls.power_off_at <= number or self.controls.power_off:
            self.lose_power()

    def fail_if(self, faults: Fault, error: type[apsw.Error], code: int) -> None:
        if self.controls.faults & faults:
            self.controls.injected += 1
            failure = error("the disk was told to fail")
            failure.extendedresult = code  # type: ignore[attr-defined]
            raise failure

    def lose_power(self) -> NoReturn:
        chance = random.Random()
        for pages in self._files.values():
            pages.lose_power(chance)
        self.die()

    def die(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed and still here")

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_S)
            if self.controls.power_off:
                with self.lock:
                    self.lose_power()


class BadFile(apsw.VFSFile):
    """The database or its log."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._pages = disk.pages(path) if path else None

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.fail_if(Fault.READ, apsw.IOError, apsw.SQLITE_IOERR_READ)
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:
        with self._disk.lock:
            self._disk.count()
            self._disk.fail_if(Fault.FULL, apsw.FullError, apsw.SQLITE_FULL)
            self._disk.fail_if(Fault.WRITE | Fault.READ_ONLY, apsw.IOError, apsw.SQLITE_IOERR_WRITE)
            if self._pages is not None:
                self._pages.about_to_change(offset, offset + len(data))
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        with self._disk.lock:
            self._disk.count()
            self._disk.fail_if(Fault.WRITE | Fault.READ_ONLY, apsw.IOError, apsw.SQLITE_IOERR_TRUNCATE)
            if self._pages is not None:
                self._pages.about_to_change(newsize, self.xFileSize())
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        with self._disk.lock:
            self._disk.count()
            if self._pages is not None and self._disk.controls.faults & Fault.SYNC:
                self._pages.are_forgotten()
            self._disk.fail_if(Fault.SYNC | Fault.READ_ONLY, apsw.IOError, apsw.SQLITE_IOERR_FSYNC)
            super().xSync(flags)
            if self._pages is not None:
                self._pages.are_durable()
            self._disk.controls.syncs += 1

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """The failures are meant: SQLite gets their codes, and nobody else has to be told."""
        return True


class BadDisk(apsw.VFS):
    """Every connection of the process uses it, since it is the default."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("bad", "unix", makedefault=True)
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> BadFile:
        if self._disk.controls.faults & Fault.READ_ONLY and flags[0] & apsw.SQLITE_OPEN_READWRITE:
            self._disk.controls.injected += 1
            # As SQLite itself does where a file cannot be opened for writing.
            flags[0] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
        return BadFile(self._disk, name, flags)

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """See `BadFile.excepthook`."""
        return True


def main(words: Iterable[str]) -> None:
    """The first word names the controls, the others are Innkeeper's."""
    controls, *rest = words
    disk = BadDisk(Disk(DiskControls(Path(controls))))
    sys.argv[1:] = rest
    from innkeeper.__main__ import run

    run()
    del disk


if __name__ == "__main__":
    main(sys.argv[1:])
