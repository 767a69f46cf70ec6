"""`python3 run.py bench`: Innkeeper beside node-oidc-provider, interleaved, by CPU time per request.

Exit status: 0 when every bar is met, when the peer cannot be had (the reason is printed) or in a trial run;
1 when a bar is missed; 2 when the bench itself failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict

from bench import report
from bench.comparison import Measurement, Plan, compare, say
from bench.contender import Contender, Operation
from bench.innkeeper_server import InnkeeperServer
from bench.node_peer import NodePeer, PeerMissingError, install
from bench.process import BenchError, pin_bench
from bench.startup import Startup, measure_startup

_FIRST_PATHS = ["/.well-known/openid-configuration"]


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if not sys.platform.startswith("linux"):
        say("Skipped: the bench reads CPU times the way Linux offers them.")
        return 0
    pin_bench()
    try:
        if options.only != "ours":
            install()
        return _run(options)
    except PeerMissingError as reason:
        say(f"Skipped: {reason}.")
        return 0
    except BenchError as error:
        say(f"The bench failed: {error}")
        return 2


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measure Innkeeper beside a peer.")
    operations = [operation.name.lower() for operation in Operation]
    for name, default, meaning in (
        ("--warm", 50_000, "requests of each kind before measuring"),
        ("--rounds", 5, "measured rounds for each side"),
        ("--requests", 10_000, "requests in one round"),
    ):
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{meaning} ({default})")
    parser.add_argument("--quick", action="store_true", help="a small trial run; bars are shown, not judged")
    parser.add_argument("--only", choices=("ours", "peer"), help="one side alone, without ratios")
    parser.add_argument("--operation", choices=operations, action="append", help="only this one; repeatable")
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick:
        return Plan(warm=3_000, rounds=2, requests_per_round=2_000, requests_alone=500)
    return Plan(
        warm=options.warm,
        rounds=options.rounds,
        requests_per_round=options.requests,
        requests_alone=2_000,
    )


def _run(options: argparse.Namespace) -> int:
    plan = _plan(options)
    where = report.machine()
    with ExitStack() as stack:
        contenders = _contenders(options.only)
        for contender in contenders:
            stack.callback(contender.stop)
            contender.prepare()
        startups = _startups(contenders, starts=3 if options.quick else 7)
        for contender in contenders:
            contender.start()
        measurements = _measurements(contenders, options.operation, plan)
        ours = next((startup for startup in startups if startup.contender == InnkeeperServer.name), None)
        judged = report.bars(measurements, ours)
        _show(contenders, where, measurements, startups)
        report.write(contenders, where, asdict(plan), measurements, startups, judged)
    say(report.bar_lines(judged))
    if options.quick:
        say("A trial run: bars are not judged.")
        return 0
    return 0 if all(bar.is_met for bar in judged) else 1


def _contenders(only: str | None) -> list[Contender]:
    contenders: list[Contender] = []
    if only != "peer":
        contenders.append(InnkeeperServer())
    if only != "ours":
        contenders.append(NodePeer())
    return contenders


def _startups(contenders: Sequence[Contender], starts: int) -> list[Startup]:
    say(f"Start-up and memory, {starts} starts each")
    return [measure_startup(contender, _FIRST_PATHS, starts) for contender in contenders]


def _measurements(contenders: Sequence[Contender], names: list[str] | None, plan: Plan) -> list[Measurement]:
    measurements: list[Measurement] = []
    for operation in Operation:
        if not names or operation.name.lower() in names:
            say(f"{operation}")
            measurements += compare(contenders, operation, plan)
    return measurements


def _show(
    contenders: Sequence[Contender],
    where: dict[str, str],
    measurements: Sequence[Measurement],
    startups: Sequence[Startup],
) -> None:
    say("")
    for name, value in where.items():
        say(f"{name}: {value}")
    for contender in contenders:
        say(f"{contender.name}: {contender.version()}; durability: {contender.durability}")
    say(f"\n{report.table(measurements)}\n\nStart and memory\n{report.startup_lines(startups)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
