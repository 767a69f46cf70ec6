"""JSON objects from strangers (RFC 8259): no duplicate member, no NaN, UTF-8 only, no bottomless nesting."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

_decode: Any = msgspec.json.decode


def parse_object(raw: bytes) -> dict[str, Any]:
    """The one meaning of `raw`, or ValueError.

    Two parsers look at it. msgspec refuses what is not JSON (NaN, 1e400, other encodings, deep nesting) but
    keeps the last of two members with one name; the standard library tells us about those. A token with two
    `aud` members would otherwise mean one thing here and another elsewhere.
    """
    try:
        _decode(raw)
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def flat_pairs(raw: bytes) -> list[tuple[str, str]]:
    """The members of a flat object of strings, in order, repetitions included; ValueError for all else."""
    try:
        _flat.decode(raw)
        pairs: list[tuple[str, str]] = json.loads(raw.decode("utf-8"), object_pairs_hook=list)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return pairs


_flat = msgspec.json.Decoder(dict[str, str])


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
