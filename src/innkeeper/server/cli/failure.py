"""Failures that a person can do something about: one line with cause and remedy, no traceback."""

from __future__ import annotations


class CommandFailed(Exception):
    """The command cannot do what it was asked to. The message is the whole line."""


def explanation(error: Exception) -> str | None:
    """The line to print; None for a bug, whose traceback is needed. Imports late: success pays nothing."""
    from innkeeper.server.app import StartRefused
    from innkeeper.server.config import SettingsRefused
    from innkeeper.server.flows.administer.refusal import Refused
    from innkeeper.server.flows.transfer.refusal import TransferRefused
    from innkeeper.server.storage.outcomes import StoreUnavailable
    from innkeeper.server.storage.schema.marks import MarkUnknown
    from innkeeper.server.storage.schema.migrations import SchemaRefused
    from innkeeper.server.storage.transfer.interface import TransferConflict

    told = (CommandFailed, Refused, SettingsRefused, StartRefused, SchemaRefused, MarkUnknown)
    if isinstance(error, (*told, TransferRefused, TransferConflict)):
        return str(error)
    if isinstance(error, StoreUnavailable):
        return f"the database cannot be used: {error}"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return None
