"""What is not an event: warnings and faults, through the standard `logging`, as lines of the same stream."""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any, Final

from innkeeper.server.model.secret import Secret
from innkeeper.server.observe.log import MAX_TRACE_CHARS, EventLog, write_to_stderr

# uvicorn's own access lines would hold query strings, and with them codes and states.
_SILENT: Final = ("uvicorn.access",)


class RefuseSecrets(logging.Filter):
    """A line that was given a `Secret` is not written. Its place is, so that it can be found and removed."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the line is replaced, not lost."""
        if _holds_secret((record.msg, record.args)):
            record.msg = f"a secret was given to the log at {record.module}:{record.lineno}"
            record.args = ()
            record.exc_info = None
        return True


class DiagnosticHandler(logging.Handler):
    """Formats a record and hands it to the event log's writer."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log
        self.addFilter(RefuseSecrets())

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a broken format string becomes a line that says so."""
        try:
            self._log.put(json.dumps(_document(record), separators=(",", ":")).encode())
        except Exception:
            self._log.dropped += 1


def route(log: EventLog, level: int = logging.WARNING) -> DiagnosticHandler:
    """Everything that libraries and we say through `logging` goes to this log from now on."""
    handler = DiagnosticHandler(log)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _SILENT:
        logging.getLogger(name).disabled = True
    logging.captureWarnings(True)
    return handler


def write(logger: str, level: int, message: str) -> None:
    """One line at once, for a process that may have no thread to write it."""
    record = logging.LogRecord(logger, level, "", 0, message, None, None)
    write_to_stderr(json.dumps(_document(record), separators=(",", ":")).encode() + b"\n")


def _document(record: logging.LogRecord) -> dict[str, Any]:
    document: dict[str, Any] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        "type": "diagnostic",
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    if (error_id := getattr(record, "error_id", None)) is not None:
        document["error_id"] = str(error_id)
    if record.exc_info and record.exc_info[1] is not None:
        document["trace"] = "".join(traceback.format_exception(record.exc_info[1]))[-MAX_TRACE_CHARS:]
    return document


def _holds_secret(value: object) -> bool:
    if isinstance(value, Secret):
        return True
    if isinstance(value, dict):
        return _holds_secret(tuple(value.values()))
    return isinstance(value, (tuple, list, set, frozenset)) and any(map(_holds_secret, value))
