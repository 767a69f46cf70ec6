"""Stores from which one defence has been taken out: what the races are there to find."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import pytest
from msgspec.structs import replace

from innkeeper.server.flows import client_authentication, device_answers, first_administrator, token
from innkeeper.server.flows.fresh import Entropy
from innkeeper.server.storage.memory.assertion_ids import MemoryAssertionIds
from innkeeper.server.storage.memory.codes import MemoryCodes, MemoryGrants
from innkeeper.server.storage.memory.devices import MemoryDeviceCodes
from innkeeper.server.storage.memory.links import MemoryLinks
from innkeeper.server.storage.memory.refresh_families import MemoryRefreshFamilies
from innkeeper.server.storage.postgresql import assertion_ids as pg_assertion_ids
from innkeeper.server.storage.postgresql import codes as pg_codes
from innkeeper.server.storage.postgresql import devices as pg_devices
from innkeeper.server.storage.postgresql import grants as pg_grants
from innkeeper.server.storage.postgresql import links as pg_links
from innkeeper.server.storage.postgresql import refresh_families as pg_families
from innkeeper.server.storage.sqlite import assertion_ids, codes, devices, grants, links, refresh_families

# A statement, the condition that is taken out of it (as a pattern), and what stands there instead.
Change = tuple[ModuleType, str, str, str]
_TAKES_OVER: Final = "DO UPDATE SET claimed_by = excluded.claimed_by"
_LIVING: Final = r"AND \w\.generation = "
_APPROVED: Final = r"AND \w\.state = 'approved'"
_PENDING: Final = "AND state = 'pending'"
_UNUSED: Final = "AND used_at IS NULL"
STATEMENTS: Final[dict[str, dict[str, tuple[Change, ...]]]] = {
    "sqlite": {
        "code": ((codes, "REDEEM", "AND a.redeemed_at IS NULL", ""),),
        "refresh": ((refresh_families, "ROTATE", _LIVING, "AND -1 < "),),
        "refresh-overlap": ((refresh_families, "ROTATE", _LIVING, "AND -1 < "),),
        "device": ((devices, "REDEEM", _APPROVED, ""),),
        "answer": ((devices, "MAY_APPROVE", _PENDING, ""), (devices, "DENY", _PENDING, "")),
        "assertion": ((assertion_ids, "CLAIM", "DO NOTHING", _TAKES_OVER),),
        "link": ((links, "IS_USABLE", _UNUSED, ""), (links, "USE", _UNUSED, "")),
    },
    "postgresql": {
        "code": ((pg_codes, "REDEEM", "AND a.redeemed_at IS NULL", ""),),
        "refresh": ((pg_families, "ROTATE", _LIVING, "AND -1 < "),),
        "refresh-overlap": ((pg_families, "ROTATE", _LIVING, "AND -1 < "),),
        "device": ((pg_devices, "REDEEM", _APPROVED, ""),),
        "answer": ((pg_devices, "APPROVE", _PENDING, ""), (pg_devices, "DENY", _PENDING, "")),
        "assertion": ((pg_assertion_ids, "CLAIM", "DO NOTHING", _TAKES_OVER),),
        "statement": ((pg_grants, "CLAIM", "DO NOTHING", _TAKES_OVER),),
        "link": ((pg_links, "IS_USABLE", _UNUSED, ""), (pg_links, "USE", _UNUSED, "")),
    },
}


def without_the_condition(store: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be used once may be used again."""
    if store == "memory":
        _without_the_condition_in_memory(kind, monkeypatch)
        return
    if (store, kind) == ("sqlite", "statement"):
        monkeypatch.setattr(grants, "is_claimed", lambda *arguments: False)
        return
    for module, name, condition, instead in STATEMENTS[store][kind]:
        changed, count = re.subn(condition, instead, getattr(module, name))
        assert count == 1, "the statement has changed: take the condition out of the new one"
        monkeypatch.setattr(module, name, changed)


def _without_the_condition_in_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, names, forget = _IN_MEMORY[kind]
    for name in names:
        monkeypatch.setattr(owner, name, _forgetting(getattr(owner, name), forget))


def _forgetting(original: Callable[..., Any], forget: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    def run(self: Any, *arguments: Any) -> Any:
        return original(self, *forget(self._tables, *arguments))

    return run


def _forget_code(tables: Any, key: Any, *rest: Any) -> tuple[Any, ...]:
    tables.codes[key] = replace(tables.codes[key], redeemed_by=None)
    return key, *rest


def _forget_generation(tables: Any, family: Any, grant: Any, presented: int, *rest: Any) -> tuple[Any, ...]:
    return family, grant, family.generation, *rest


def _forget_device(tables: Any, key: Any, *rest: Any) -> tuple[Any, ...]:
    row = tables.device_codes[key]
    tables.device_codes[key] = replace(row, device=replace(row.device, state="approved"))
    return key, *rest


def _forget_answer(tables: Any, key: Any, *rest: Any) -> tuple[Any, ...]:
    row = tables.device_codes[key]
    tables.device_codes[key] = replace(row, device=replace(row.device, state="pending"))
    return key, *rest


def _forget_claim(tables: Any, digest: bytes, *rest: Any) -> tuple[Any, ...]:
    tables.assertion_ids.pop(digest, None)
    return digest, *rest


def _forget_statement(tables: Any, grant: Any, assertion: Any, *rest: Any) -> tuple[Any, ...]:
    tables.assertion_ids.pop(assertion.digest, None)
    return grant, assertion, *rest


def _forget_link(tables: Any, key: Any, *rest: Any) -> tuple[Any, ...]:
    tables.links[key] = replace(tables.links[key], used_by=None)
    return key, *rest


_IN_MEMORY: Final[dict[str, tuple[type, tuple[str, ...], Any]]] = {
    "code": (MemoryCodes, ("_redeem",), _forget_code),
    "refresh": (MemoryRefreshFamilies, ("_judge",), _forget_generation),
    "refresh-overlap": (MemoryRefreshFamilies, ("_judge",), _forget_generation),
    "device": (MemoryDeviceCodes, ("_redeem",), _forget_device),
    "answer": (MemoryDeviceCodes, ("_approve", "_deny"), _forget_answer),
    "assertion": (MemoryAssertionIds, ("_claim",), _forget_claim),
    "statement": (MemoryGrants, ("_open_by_assertion",), _forget_statement),
    "link": (MemoryLinks, ("_create_first_administrator",), _forget_link),
}


class Stranger(bytes):
    """An attempt that nobody recognises, not even the store that has just written it down."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return super().__hash__()


def without_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try whose answer was lost looks like somebody else's."""

    def new_attempt(entropy: Entropy) -> bytes:
        return Stranger(os.urandom(16))

    for flow in (client_authentication, device_answers, first_administrator, token):
        monkeypatch.setattr(flow, "new_attempt", new_attempt)
