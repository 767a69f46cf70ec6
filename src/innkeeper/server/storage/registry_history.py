"""The numbered changes of the registry, and whether they are still those that somebody has read.

A promoted standby may lack changes that were seen, and a restored backup lacks all since: the same numbers are given
a second time. So each change has a random tag, and whoever asks says which one they have read last.
"""

import os
from collections.abc import Sequence
from typing import Final

from innkeeper.server.model.registry import EVERYTHING, RegistryChange

_TAG_BYTES: Final = 7
ChangeRow = tuple[int, str, str, int]
"""Epoch, kind, id and tag."""


def new_tag() -> int:
    """Of one change; 0 is what changes of earlier versions have."""
    return int.from_bytes(os.urandom(_TAG_BYTES), "big")


def changes_heard(rows: Sequence[ChangeRow], epoch: int, tag: int | None) -> tuple[RegistryChange, ...]:
    """What has changed after `epoch`. `rows` begin with that epoch itself, oldest first."""
    if epoch and tag is not None and (not rows or (rows[0][0], rows[0][3]) != (epoch, tag)):
        return (RegistryChange(epoch=epoch, kind=EVERYTHING, id=""),)
    return tuple(RegistryChange(epoch=at, kind=kind, id=name) for at, kind, name, _ in rows if at > epoch)
