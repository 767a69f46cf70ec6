"""Stores from which one defence has been taken out: what the races are there to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Patch = tuple[object, str, Any]
SABOTAGES: Final[dict[tuple[str, str], Callable[[], list[Patch]]]] = {}


def patches(name: str, address: str) -> list[Patch]:
    """What to set where, for the store of this address."""
    return SABOTAGES[name, store_of(address)]() if name else []


def store_of(address: str) -> str:
    """The kind of store."""
    if address.startswith("postgresql:"):
        return "postgresql"
    return "memory" if address == "memory" else "sqlite"
