"""The report: a plain table, the bars, and the same facts in bench/results.json."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.comparison import Measurement
from bench.contender import Contender, Operation
from bench.process import load_core, server_core
from bench.startup import Startup

RESULTS = Path(__file__).parent / "results.json"
START_LIMIT_MS = 500.0
RESIDENT_LIMIT_MB = 70.0
# How many times more CPU the peer must use. RS256 has no bar: the signature dominates both sides.
RATIO_BARS = {
    Operation.CLIENT_CREDENTIALS: 2.0,
    Operation.CODE_ES256: 4.0,
    Operation.ROTATION: 4.0,
    Operation.INTROSPECTION: 2.0,
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One promise, with what was found."""

    name: str
    wanted: str
    found: str
    is_met: bool


def ratios(measurements: Sequence[Measurement]) -> dict[Operation, float]:
    """CPU of the second contender divided by CPU of the first (Innkeeper), for each operation with both."""
    found: dict[Operation, list[float]] = {}
    for measurement in measurements:
        found.setdefault(measurement.operation, []).append(measurement.cpu_us)
    return {operation: costs[1] / costs[0] for operation, costs in found.items() if len(costs) == 2}


def bars(measurements: Sequence[Measurement], startup: Startup | None) -> list[Bar]:
    """Every bar that this run can judge."""
    judged = []
    for operation, ratio in ratios(measurements).items():
        if operation in RATIO_BARS:
            wanted = RATIO_BARS[operation]
            judged.append(
                Bar(
                    name=f"{operation}: the peer's CPU divided by ours",
                    wanted=f">= {wanted:.1f}",
                    found=f"{ratio:.2f}",
                    is_met=ratio >= wanted,
                )
            )
    if startup is not None:
        judged.append(_limit("start to first answer, ms", startup.milliseconds, START_LIMIT_MS))
        judged.append(
            _limit("resident memory after the first answers, MB", startup.resident_mb, RESIDENT_LIMIT_MB)
        )
    return judged


def _limit(name: str, found: float, limit: float) -> Bar:
    return Bar(name=name, wanted=f"<= {limit:.0f}", found=f"{found:.1f}", is_met=found <= limit)


def machine() -> dict[str, str]:
    """Where this was measured."""
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} (servers on {server_core()}, load generator on {load_core()})",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load average at start": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(measurements: Sequence[Measurement]) -> str:
    """One line per operation and contender; with 64 connections the server is saturated."""
    latencies = f"{'p50 ms':>8} {'p99 ms':>8}"
    lines = [
        f"{'':56} {'64 connections':>26} {'1 connection':>17}",
        f"{'':24} {'CPU us/request':>15} {'min-max':>15} {'req/s':>8} {latencies} {latencies}",
    ]
    operation: Operation | None = None
    found = ratios(measurements)
    for measurement in measurements:
        if measurement.operation is not operation:
            operation = measurement.operation
            ratio = f": ratio {found[operation]:.2f}" if operation in found else ""
            lines += ["", f"{operation}{ratio}"]
        lines.append(_row(measurement))
    return "\n".join(lines)


def _row(measurement: Measurement) -> str:
    costs = [window.cpu_us for window in measurement.rounds]
    spread = f"{min(costs):.1f}-{max(costs):.1f}"
    return (
        f"  {measurement.contender:22} {measurement.cpu_us:15.1f} {spread:>15} {measurement.per_second:8.0f}"
        f" {measurement.p50_ms:8.2f} {measurement.p99_ms:8.2f}"
        f" {measurement.alone.p50_ms:8.2f} {measurement.alone.p99_ms:8.2f}"
    )


def startup_lines(startups: Sequence[Startup]) -> str:
    """Start and memory, one line each."""
    return "\n".join(
        f"  {startup.contender:22} first answer after {startup.milliseconds:.0f} ms"
        f" (median of {len(startup.all_milliseconds)}), {startup.resident_mb:.1f} MB resident"
        for startup in startups
    )


def bar_lines(judged: Sequence[Bar]) -> str:
    """Each bar with what was found."""
    return "\n".join(
        f"  {'met' if bar.is_met else 'MISSED':6} {bar.name}: {bar.found} (wanted {bar.wanted})"
        for bar in judged
    )


def write(
    contenders: Sequence[Contender],
    where: dict[str, str],
    plan: dict[str, Any],
    measurements: Sequence[Measurement],
    startups: Sequence[Startup],
    judged: Sequence[Bar],
) -> None:
    """The whole run for programs; the file is not under version control."""
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": where,
        "plan": plan,
        "contenders": {
            contender.name: {"version": contender.version(), "durability": contender.durability}
            for contender in contenders
        },
        "measurements": [
            {**asdict(measurement), "cpu_us": measurement.cpu_us, "per_second": measurement.per_second}
            for measurement in measurements
        ],
        "ratios": {str(operation): ratio for operation, ratio in ratios(measurements).items()},
        "startups": [asdict(startup) for startup in startups],
        "bars": [asdict(bar) for bar in judged],
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
