"""Warnings and faults of ours and of libraries, as lines of the log stream."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from innkeeper.server.model.secret import Secret
from innkeeper.server.observe.diagnostics import DiagnosticHandler
from innkeeper.server.observe.log import EventLog


class Lines:
    """A logger of its own and the lines that come of it."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._log = EventLog(self._data.append)
        self.logger = logging.getLogger("tests.diagnostics")
        self.handler = DiagnosticHandler(self._log)
        self.logger.addHandler(self.handler)
        self.logger.propagate = False

    def read(self) -> list[dict[str, Any]]:
        self._log.flush()
        return [json.loads(line) for line in b"".join(self._data).splitlines()]

    def close(self) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.propagate = True
        self._log.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.close()


def test_a_warning_is_a_line(lines: Lines) -> None:
    lines.logger.warning("%d of %s", 3, "them")
    [line] = lines.read()
    assert line["at"].endswith("Z")
    assert {name: line[name] for name in ("type", "level", "logger", "message")} == {
        "type": "diagnostic",
        "level": "warning",
        "logger": "tests.diagnostics",
        "message": "3 of them",
    }


def test_a_fault_has_its_error_id_and_its_trace(lines: Lines) -> None:
    try:
        raise ValueError("broken\r\n\x1b[31m")
    except ValueError as error:
        lines.logger.error("unhandled", exc_info=error, extra={"error_id": "e-1"})
    [line] = lines.read()
    assert line["error_id"] == "e-1"
    assert "ValueError: broken" in line["trace"]
    assert "Traceback" in line["trace"]


def test_a_long_trace_keeps_its_end(lines: Lines) -> None:
    def deeper(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 3000 + "the end")
        (lambda: deeper(depth - 1))()

    try:
        deeper(100)
    except ValueError as error:
        lines.logger.error("deep", exc_info=error)
    [line] = lines.read()
    assert line["trace"].endswith("the end\n")


@pytest.mark.parametrize(
    "arguments", [(Secret(b"hunter2"),), ({"a": Secret(b"hunter2")},), ([1, (Secret(b"hunter2"),)], "x")]
)
def test_a_line_with_a_secret_is_replaced_by_its_place(lines: Lines, arguments: tuple[object, ...]) -> None:
    lines.logger.error("%s " * len(arguments), *arguments)
    [line] = lines.read()
    assert line["message"].startswith("a secret was given to the log at test_diagnostics:")
    assert "hunter2" not in json.dumps(line)
    assert "***" not in json.dumps(line)


def test_a_broken_format_does_not_raise(lines: Lines) -> None:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "%d", ("not a number",), None)
    lines.handler.handle(record)
    assert lines.read() == [{"type": "log.dropped", "lines": 1}]


def test_routing_sends_everything_through_logging_to_the_log_but_no_access_lines() -> None:
    program = """
import logging, warnings
from innkeeper.server.observe.diagnostics import route
from innkeeper.server.observe.log import EventLog
log = EventLog()
route(log)
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("uvicorn.access").error("GET /authorize?state=hunter2")
logging.getLogger("library").info("chatter")
warnings.warn("old")
log.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["uvicorn.error", "py.warnings"]
    assert "hunter2" not in done.stderr
