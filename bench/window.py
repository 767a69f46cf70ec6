"""One measured window: the load generator sends its requests, the server's CPU clock is read around it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import cast

from bench.contender import HOST, Tokens
from bench.load import Job, Result
from bench.process import BenchError, cpu_seconds, load_core, pinned_to, stop


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one window cost: CPU microseconds per completed request, and what the client saw."""

    requests: int
    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


def send(job: Job, server_pid: int) -> tuple[Result, float]:
    """Runs the job in a process of its own; returns its result and the CPU seconds the server used."""
    generator = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=pinned_to(load_core()),
    )
    try:
        assert generator.stdin is not None and generator.stdout is not None
        _say(generator, json.dumps(job))
        if generator.stdout.readline().strip() != b"ready":
            raise BenchError("the load generator could not connect")
        before = cpu_seconds(server_pid)
        _say(generator, "go")
        answer = generator.stdout.readline()
        used = cpu_seconds(server_pid) - before
        if not answer:
            raise BenchError("the load generator ended without a result")
    finally:
        stop(generator)
    result = cast(Result, json.loads(answer))
    if result["failed"]:
        refused = f"{result['failed']} answers had another status than {job['status']}"
        raise BenchError(f"{refused}, the first one:\n{result['failure']}")
    return result, used


def measure(job: Job, server_pid: int) -> Window:
    """Runs the job and divides the CPU time of the server by the requests it completed."""
    result, used = send(job, server_pid)
    return Window(
        requests=result["completed"],
        cpu_us=used / result["completed"] * 1e6,
        per_second=result["completed"] / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
    )


def tokens_from(requests: list[str], name: str, port: int, server_pid: int) -> Tokens:
    """What each of these requests is given under this name."""
    job = Job(
        host=HOST,
        port=port,
        connections=16,
        status=200,
        requests=requests,
        times=1,
        keep=name,
        follow="",
    )
    result, _ = send(job, server_pid)
    if len(result["kept"]) != len(requests):
        raise BenchError(f"only {len(result['kept'])} of {len(requests)} answers have a {name}")
    return Tokens(values=result["kept"])


def _say(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
