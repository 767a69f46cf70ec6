"""Nodes on disks that fail, and the load that they have to bear."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from tests.faults.judging import violations
from tests.faults.load import Load
from tests.faults.storage.disk_controls import DiskControls
from tests.nodes import Node, Site
from tests.wire import Wire

LIVES = 6
# A guard against waiting for ever, not a promise: tests run on machines that have other things to do.
NOTICED_WITHIN_S = 60.0


def on_a_bad_disk(site: Site) -> tuple[Node, DiskControls]:
    """A node whose disk fails when it is told to."""
    controls = DiskControls(site.data / "disk.controls")
    node = site.node()
    node.command = (sys.executable, "-m", "tests.faults.storage.bad_disk", str(controls.path))
    return node, controls


async def lose_power(node: Node, disk: DiskControls) -> None:
    """Answers when the node is gone; it can be launched again."""
    assert node.process is not None
    disk.power_off = True
    await asyncio.to_thread(node.process.wait, 20)
    disk.power_off = False


@asynccontextmanager
async def under_load(node: Node, *, lives: int = LIVES, has_documents: bool = True) -> AsyncIterator[Load]:
    """Apps at work, and discovery and keys asked for all the time; everything is judged at the end."""
    async with Wire(node.port, host=node.site.host) as wire:
        load = Load(node.site, wire)
        await load.start(lives=lives, more=(load.read_documents,) if has_documents else ())
        yield load
        await load.finish()
    found = violations(load.history)
    assert not found, f"{len(found)} violations, the first:\n{found[0]}"
    assert not load.faults, load.faults[:3]
    assert "unhandled in" not in node.log


async def is_ready(node: Node, *, expected: int) -> float:
    """Seconds until `/readyz` answers with this status."""
    began = time.monotonic()
    async with Wire(node.port, host=node.site.host) as wire:
        while (answer := await wire.get("/readyz")).status != expected:
            assert time.monotonic() - began < NOTICED_WITHIN_S, (answer.status, answer.body)
            await asyncio.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def a_small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of its own, in memory, that can be full and read-only; skips where nobody may mount one."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "innkeeper-test", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine lets nobody mount a tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    """`ro` or `rw`."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


@contextmanager
def full(folder: Path, database: Path) -> Iterator[None]:
    """Not a byte is left, until the end of the block; nor is there room in the log from earlier days."""
    empty_the_log(database)
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def empty_the_log(database: Path, patience_s: float = 30.0) -> None:
    """Beside a busy writer: asks again and again, since SQLite's own waiting starves."""
    beside = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with suppress(apsw.BusyError):
            beside.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            break
        time.sleep(0.0005)
    beside.close()
