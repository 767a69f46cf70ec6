"""Which signing key signs, which are published: next key ahead, old key until its last token has ended."""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from innkeeper.server.model.signing_key import SigningKeyRecord


class KeyTimes(msgspec.Struct, frozen=True, kw_only=True):
    """`verifies_for`: how long after its last signature a key may still be needed."""

    signs_for: timedelta
    published_ahead: timedelta
    verifies_for: timedelta


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to make; published from now on, so that APIs know it before it signs."""

    alg: str
    activates_at: datetime


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The set of keys as it should be: records to keep, with their new times, and keys to make."""

    keep: tuple[SigningKeyRecord, ...]
    create: tuple[NewKey, ...]


def is_published(key: SigningKeyRecord, now: datetime) -> bool:
    """It belongs in the JWKS."""
    return key.expires_at is None or now < key.expires_at


def may_sign(key: SigningKeyRecord, now: datetime) -> bool:
    """It is active: neither ahead of its time nor retired."""
    return key.activates_at <= now and (key.retires_at is None or now < key.retires_at)


def signing(keys: Iterable[SigningKeyRecord], alg: str, now: datetime) -> SigningKeyRecord | None:
    """Of the keys that may sign, the one that became active last."""
    candidates = [key for key in keys if key.alg == alg and may_sign(key, now)]
    return max(candidates, key=lambda key: key.activates_at, default=None)


def plan(
    keys: Sequence[SigningKeyRecord],
    now: datetime,
    times: KeyTimes,
    *,
    algs: Sequence[str],
    rotate: Container[str] = (),
    forget: Container[str] = (),
) -> Plan | None:
    """What is due, or None. `rotate`: the next key of these signs from now on; `forget`: without the old."""
    basis = [key for key in keys if is_published(key, now) and key.alg not in forget]
    keep = [key for key in basis if key.alg not in algs]
    create: list[NewKey] = []
    for alg in algs:
        kept, made = _plan_one(alg, [key for key in basis if key.alg == alg], now, times, alg in rotate)
        keep += kept
        create += made
    if not create and len(keep) == len(keys) and all(key in keys for key in keep):
        return None
    return Plan(keep=tuple(keep), create=tuple(create))


def _plan_one(
    alg: str, keys: list[SigningKeyRecord], now: datetime, times: KeyTimes, rotate: bool
) -> tuple[list[SigningKeyRecord], list[NewKey]]:
    waiting = sorted((key for key in keys if now < key.activates_at), key=lambda key: key.activates_at)
    current = None if rotate else signing(keys, alg, now)
    create = []
    if current is None and waiting:
        current = replace(waiting.pop(0), activates_at=now)
    if current is None:
        create.append(NewKey(alg=alg, activates_at=now))
    keep = [_retired(key, now, times) for key in keys if may_sign(key, now) and not _is_same(key, current)]
    keep += [key for key in keys if key.retires_at is not None and not may_sign(key, now)]
    keep += [current] if current is not None else []
    # More than one waits where keys sign for less time than they are published ahead.
    last = waiting[-1] if waiting else current
    turn = (now if last is None else last.activates_at) + times.signs_for
    if not waiting or turn <= now + times.published_ahead:
        create.append(NewKey(alg=alg, activates_at=max(turn, now + times.published_ahead)))
    return keep + waiting, create


def _retired(key: SigningKeyRecord, now: datetime, times: KeyTimes) -> SigningKeyRecord:
    return replace(key, retires_at=now, expires_at=now + times.verifies_for)


def _is_same(key: SigningKeyRecord, other: SigningKeyRecord | None) -> bool:
    return other is not None and key.kid == other.kid
