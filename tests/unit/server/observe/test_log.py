"""The log stream: one line per event, harmless to terminals and parsers, never in the way of a request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from innkeeper.server.model.events import Event, SignInFailed, TokenIssued
from innkeeper.server.observe import log as module
from innkeeper.server.observe.log import MAX_LINE_BYTES, MAX_TEXT_CHARS, MAX_WAITING_LINES, EventLog

NOON = datetime(2026, 11, 20, 12, 0, 0, 5, tzinfo=UTC)


class Stream:
    """Remembers what was written; can be made to hang or to fail."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0
        self.is_open = threading.Event()
        self.is_open.set()
        self.error: Exception | None = None

    def write(self, data: bytes) -> None:
        self.is_open.wait(10)
        if self.error is not None:
            raise self.error
        self.writes += 1
        self.data += data

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.splitlines()]


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def log(stream: Stream) -> Iterator[EventLog]:
    log = EventLog(stream.write)
    yield log
    stream.is_open.set()
    log.close()


def failed(reason: str) -> SignInFailed:
    return SignInFailed(at=NOON, reason=reason)


def test_an_event_is_one_line_that_starts_with_its_time_and_type(log: EventLog, stream: Stream) -> None:
    log.emit(TokenIssued(at=NOON, client_id="timesheets-cron", ip="192.0.2.1", scope="batch:upload"))
    log.close()
    assert stream.data == (
        b'{"at":"2026-11-20T12:00:00.000005Z","type":"token.issued","client_id":"timesheets-cron",'
        b'"ip":"192.0.2.1","scope":"batch:upload"}\n'
    )


def test_an_event_without_anything_else_is_still_an_object(log: EventLog, stream: Stream) -> None:
    log.emit(failed(""))
    log.close()
    assert stream.lines == [{"at": "2026-11-20T12:00:00.000005Z", "type": "sign_in.failed"}]


def test_lines_keep_their_order(log: EventLog, stream: Stream) -> None:
    for number in range(100):
        log.emit(failed(str(number)))
    log.close()
    assert [line["reason"] for line in stream.lines] == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    "text",
    [
        'a\r\n{"type":"sign_in.succeeded"}',
        "\x1b[2J\x1b[31mred",
        "\x9b31m",
        "\x7f\x08\x00",
        "\u2028\u2029\u0085",
        "\u202edrawkcab\u2066",
        '"}',
        "\\",
        "\ufeff\u200b",
        "😀",
    ],
)
def test_what_a_stranger_wrote_stays_inside_its_string(log: EventLog, stream: Stream, text: str) -> None:
    log.emit(failed(text))
    log.close()
    assert stream.data.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in stream.data[:-1])
    assert stream.lines[0]["reason"] == text


def test_a_long_text_is_cut(log: EventLog, stream: Stream) -> None:
    log.emit(failed("x" * 1_000_000))
    log.close()
    assert len(stream.data) <= MAX_LINE_BYTES
    assert len(stream.lines[0]["reason"]) == MAX_TEXT_CHARS + 1


def test_a_lone_surrogate_does_not_raise(log: EventLog, stream: Stream) -> None:
    log.emit(failed("\ud800"))
    log.emit(failed("next"))
    log.close()
    assert stream.lines[-1]["lines"] == 1
    assert stream.lines[0]["reason"] == "next"


def test_something_that_is_no_event_does_not_raise(log: EventLog) -> None:
    log.emit(object())  # type: ignore[arg-type]
    assert log.dropped == 1


def test_a_stream_that_is_stuck_holds_up_nobody_and_the_loss_is_counted(
    log: EventLog, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_LINES", 100)
    stream.is_open.clear()
    log.emit(failed("taken"))
    until(lambda: not log._waiting)
    for number in range(150):  # would never end if it waited for the stream
        log.emit(failed(str(number)))
    assert log.dropped == 50
    stream.is_open.set()
    log.close()
    assert len(stream.lines) == 102
    assert stream.lines[-1] == {"type": "log.dropped", "lines": 50}


def test_a_stream_that_is_gone_does_not_raise(log: EventLog, stream: Stream) -> None:
    stream.error = BrokenPipeError()
    log.emit(failed("lost"))
    log.flush()
    stream.error = None
    log.emit(failed("next"))
    log.close()
    assert [line["type"] for line in stream.lines] == ["sign_in.failed", "log.dropped"]


def test_closing_does_not_wait_for_a_stream_that_is_stuck(log: EventLog, stream: Stream) -> None:
    stream.is_open.clear()
    log.emit(failed("x"))
    until(lambda: not log._waiting)
    log.close(timeout_s=0.05)  # would never return if it waited for the stream
    assert not stream.lines


def test_many_events_are_few_writes(log: EventLog, stream: Stream) -> None:
    for number in range(5000):
        log.emit(failed(str(number)))
    log.close()
    assert len(stream.lines) == 5000
    assert stream.writes < 500


def test_events_from_many_threads_are_all_written(log: EventLog, stream: Stream) -> None:
    def emit(name: str) -> None:
        for number in range(200):
            log.emit(failed(f"{name}{number}"))

    threads = [threading.Thread(target=emit, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len({line["reason"] for line in stream.lines}) == 1600


def test_every_kind_of_event_has_a_type_of_its_own() -> None:
    kinds = Event.__subclasses__()
    assert all(kind.type for kind in kinds)
    assert len({kind.type for kind in kinds}) == len(kinds)


def test_the_buffer_is_bounded_by_default() -> None:
    assert MAX_WAITING_LINES * MAX_LINE_BYTES < 100_000_000


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
