"""Innkeeper and the peer by turns: warm both, then measured windows A B A B, medians and their ratio."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.contender import HOST, Contender, Operation
from bench.load import Job
from bench.process import BenchError
from bench.window import Window, measure

# Small enough that the codes of one chunk are spent long before they expire.
_CODES_PER_CHUNK = 10_000
_CONNECTIONS = 64
_TOKENS_TO_LOOK_INTO = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to measure. `warm` requests of each operation come first on each side."""

    warm: int
    rounds: int
    requests_per_round: int
    requests_alone: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """All windows of one contender and one operation."""

    contender: str
    operation: Operation
    rounds: Sequence[Window]
    alone: Window

    @property
    def cpu_us(self) -> float:
        """Median CPU microseconds per request at 64 connections."""
        return median(window.cpu_us for window in self.rounds)

    @property
    def p50_ms(self) -> float:
        return median(window.p50_ms for window in self.rounds)

    @property
    def p99_ms(self) -> float:
        return median(window.p99_ms for window in self.rounds)

    @property
    def per_second(self) -> float:
        return median(window.per_second for window in self.rounds)


def compare(contenders: Sequence[Contender], operation: Operation, plan: Plan) -> list[Measurement]:
    """Measures one operation on all contenders, interleaved."""
    for contender in contenders:
        _check_answer(contender, operation)
        for _ in _windows(contender, operation, plan.warm, _CONNECTIONS):
            pass
        say(f"  {contender.name}: warmed with {plan.warm} requests")
    rounds: dict[str, list[Window]] = {contender.name: [] for contender in contenders}
    for number in range(1, plan.rounds + 1):
        for contender in contenders:
            window = _merged(_windows(contender, operation, plan.requests_per_round, _CONNECTIONS))
            rounds[contender.name].append(window)
            say(f"  round {number}: {contender.name}: {window.cpu_us:.1f} us CPU per request")
    return [
        Measurement(
            contender=contender.name,
            operation=operation,
            rounds=rounds[contender.name],
            alone=_merged(_windows(contender, operation, plan.requests_alone, 1)),
        )
        for contender in contenders
    ]


def say(line: str) -> None:
    print(line, flush=True)


def _windows(contender: Contender, operation: Operation, count: int, connections: int) -> Iterator[Window]:
    """Sends `count` requests in chunks; making codes happens before each chunk's window opens."""
    while count > 0:
        chunk = min(count, _CODES_PER_CHUNK)
        requests, times = _requests(contender, operation, chunk, connections)
        job = Job(
            host=HOST,
            port=contender.port,
            connections=connections,
            status=200,
            requests=requests,
            times=times,
            keep="",
            follow="refresh_token" if operation is Operation.ROTATION else "",
        )
        yield measure(job, contender.pid)
        count -= chunk


def _requests(
    contender: Contender, operation: Operation, count: int, connections: int
) -> tuple[list[str], int]:
    """What to send and how often. Each connection rotates a family of its own; tokens to look into are a few."""
    if operation in (Operation.ROTATION, Operation.INTROSPECTION):
        several = min(count, connections if operation is Operation.ROTATION else _TOKENS_TO_LOOK_INTO)
        tokens = contender.mint_tokens(operation, several)
        return contender.token_requests(operation, tokens), -(-count // several)
    if operation.is_code_exchange:
        return contender.exchange_requests(operation, contender.mint_codes(operation, count)), 1
    return [contender.client_credentials_request()], count


def _merged(windows: Iterator[Window]) -> Window:
    """One window out of the chunks of a round, weighted by their requests."""
    parts = list(windows)
    total = sum(part.requests for part in parts)

    def mean(name: str) -> float:
        return sum(float(getattr(part, name)) * part.requests for part in parts) / total

    return Window(
        requests=total,
        cpu_us=mean("cpu_us"),
        per_second=total / sum(part.requests / part.per_second for part in parts),
        p50_ms=mean("p50_ms"),
        p99_ms=max(part.p99_ms for part in parts),
    )


def _check_answer(contender: Contender, operation: Operation) -> None:
    """Both sides must do the same work: these tokens and no others, with these algorithms."""
    requests, _ = _requests(contender, operation, 1, 1)
    answer = _ask(contender.port, requests[0])
    names = ("access_token", "id_token", "refresh_token")
    found = {name: _algorithm(answer[name]) for name in names if name in answer}
    is_told = operation is not Operation.INTROSPECTION or answer.get("active") is True
    if found != operation.answer or not is_told:
        raise BenchError(
            f"{contender.name} answered {found} for {operation}, expected {operation.answer}: {answer}"
        )


def _ask(port: int, request: str) -> dict[str, Any]:
    head, _, body = request.partition("\r\n\r\n")
    method, path, _ = head.split("\r\n")[0].split(" ")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise BenchError(f"status {response.status} instead of 200: {content.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def _algorithm(token: str) -> str:
    if token.count(".") != 2:
        return "opaque"
    header = token.partition(".")[0]
    algorithm: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]
    return algorithm
