"""Processes of the bench: pinning to a core, CPU time and memory of a server's whole process tree."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path


class BenchError(Exception):
    """The bench could not measure; the message says why."""


def server_core() -> int | None:
    """The core of the servers, or None where processes cannot be pinned apart."""
    cores = _cores()
    return cores[0] if len(cores) > 1 else None


def load_core() -> int | None:
    """The core of the load generator, another one than the servers'."""
    cores = _cores()
    return cores[1] if len(cores) > 1 else None


@cache
def _cores() -> list[int]:
    """The cores this process was given at its start, before it pinned itself."""
    return sorted(os.sched_getaffinity(0))


def pin_bench() -> None:
    """Keeps the bench itself, which polls while servers start, off the servers' core."""
    pinned_to(load_core())()


def pinned_to(core: int | None) -> Callable[[], None]:
    """For `preexec_fn`: the child, and all it starts, stay on this core."""

    def pin() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    return pin


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants, as Linux knows them now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent_of(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    tree = [pid]
    for member in tree:
        tree.extend(children.get(member, []))
    return tree


def _parent_of(entry: Path) -> int | None:
    try:
        # The second field is the command in brackets and may itself contain spaces and brackets.
        return int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, all threads, ended ones included.

    Linux derives a clock id from a process id (CPUCLOCK_SCHED). That clock is what /proc/PID/stat shows
    as utime + stime, in nanoseconds where stat rounds to ticks of 10 ms.
    """
    return sum(_cpu_seconds_of(member) for member in process_tree(pid))


def _cpu_seconds_of(pid: int) -> float:
    """Nothing for a child that has ended since the tree was looked at: its parent has its time by now."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def resident_mb(pid: int) -> float:
    """VmRSS of the tree in megabytes of 10^6 bytes."""
    return sum(_resident_kib(member) for member in process_tree(pid)) * 1024 / 1e6


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that the bench has started, first politely."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
