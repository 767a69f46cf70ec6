"""Deciding again: what a transition finds stale is decided on today's records, a bounded number of times."""

from typing import Final

from innkeeper.oauth.errors import TemporarilyUnavailable

MAX_TRIES: Final = 3


def kept_changing() -> TemporarilyUnavailable:
    """Each of the tries was overtaken by a change."""
    return TemporarilyUnavailable("The records kept changing. Try again.")
