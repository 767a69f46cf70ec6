"""A node that is told a false time, by Debian's faketime: only its wall clock lies, and only to this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nodes import Node, Site

_LIBRARIES = ("/usr/lib", "/usr/local/lib", "/lib")


class FalseClock:
    """How far the machine of one node is ahead; a change counts at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._library = a_library()
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """In one step, as an operator or a bad time service does it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+d}s\n")
        new.replace(self._file)

    def node(self, site: Site, port: int | None = None) -> Node:
        """Not started yet."""
        return site.node(
            port,
            LD_PRELOAD=str(self._library),
            FAKETIME_TIMESTAMP_FILE=str(self._file),
            FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
            NO_FAKE_STAT="1",
        )


def a_library() -> Path:
    """Skips the test where it is not installed."""
    for folder in _LIBRARIES:
        for found in Path(folder).glob("*/faketime/libfaketimeMT.so.1"):
            return found
    pytest.skip("libfaketime is not installed (on Debian: apt-get install faketime)")
