"""The life of signing keys: published, signing, only verifying, gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec.structs import replace

from innkeeper.server.model.identifiers import KeyId
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.protocol.key_schedule import (
    KeyTimes,
    NewKey,
    Plan,
    is_published,
    may_sign,
    plan,
    signing,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TIMES = KeyTimes(signs_for=90 * DAY, published_ahead=DAY, verifies_for=2 * DAY)


def a_key(
    kid: str,
    *,
    alg: str = "ES256",
    published_at: datetime = NOON,
    activates_at: datetime = NOON,
    retires_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> SigningKeyRecord:
    return SigningKeyRecord(
        kid=KeyId(kid),
        alg=alg,  # type: ignore[arg-type]
        public_jwk=b"{}",
        private_sealed=b"",
        published_at=published_at,
        activates_at=activates_at,
        retires_at=retires_at,
        expires_at=expires_at,
    )


def planned(
    keys: Sequence[SigningKeyRecord], now: datetime = NOON, *, rotate: str = "", forget: str = ""
) -> Plan | None:
    return plan(keys, now, TIMES, algs=("ES256",), rotate=rotate.split(), forget=forget.split())


CURRENT = a_key("current")
NEXT = a_key("next", activates_at=NOON + 90 * DAY)


def test_without_keys_one_signs_now_and_one_is_published_for_its_turn() -> None:
    assert planned([]) == Plan(
        keep=(),
        create=(
            NewKey(alg="ES256", activates_at=NOON),
            NewKey(alg="ES256", activates_at=NOON + 90 * DAY),
        ),
    )


def test_every_algorithm_has_keys_of_its_own() -> None:
    made = plan([], NOON, TIMES, algs=("ES256", "RS256"))
    assert made is not None
    assert [key.alg for key in made.create] == ["ES256", "ES256", "RS256", "RS256"]


def test_nothing_is_due_while_one_signs_and_one_waits() -> None:
    assert planned([CURRENT, NEXT]) is None
    assert planned([CURRENT, NEXT], NOON + 89 * DAY) is None


def test_when_its_time_has_come_the_next_key_signs_without_anybody_doing_anything() -> None:
    turn = NOON + 90 * DAY
    assert signing([CURRENT, NEXT], "ES256", turn - timedelta(seconds=1)) == CURRENT
    assert signing([CURRENT, NEXT], "ES256", turn) == NEXT


def test_then_the_old_one_retires_and_another_is_published_ahead() -> None:
    later = NOON + 90 * DAY + timedelta(minutes=1)
    made = planned([CURRENT, NEXT], later)
    assert made is not None
    assert set(made.keep) == {replace(CURRENT, retires_at=later, expires_at=later + 2 * DAY), NEXT}
    assert made.create == (NewKey(alg="ES256", activates_at=NEXT.activates_at + 90 * DAY),)


def test_a_key_is_published_until_the_last_token_it_signed_has_ended() -> None:
    retired = a_key("old", retires_at=NOON, expires_at=NOON + DAY)
    assert not may_sign(retired, NOON)
    assert is_published(retired, NOON + DAY - timedelta(seconds=1))
    assert not is_published(retired, NOON + DAY)
    assert planned([retired, CURRENT, NEXT]) is None


def test_after_that_it_is_dropped() -> None:
    retired = a_key("old", retires_at=NOON - DAY, expires_at=NOON)
    assert planned([retired, CURRENT, NEXT]) == Plan(keep=(CURRENT, NEXT), create=())


def test_a_key_is_published_long_enough_before_it_signs() -> None:
    made = planned([CURRENT], NOON + 400 * DAY)
    assert made is not None
    assert made.create == (NewKey(alg="ES256", activates_at=NOON + 401 * DAY),)


def test_rotating_by_hand_lets_the_next_key_sign_now() -> None:
    now = NOON + 5 * DAY
    made = planned([CURRENT, NEXT], now, rotate="ES256")
    assert made is not None
    begun = replace(NEXT, activates_at=now)
    assert set(made.keep) == {replace(CURRENT, retires_at=now, expires_at=now + 2 * DAY), begun}
    assert made.create == (NewKey(alg="ES256", activates_at=now + 90 * DAY),)
    assert signing(made.keep, "ES256", now) == begun


def test_rotating_without_a_next_key_makes_one_that_signs_now() -> None:
    made = planned([CURRENT], rotate="ES256")
    assert made is not None
    assert [key.activates_at for key in made.create] == [NOON, NOON + 90 * DAY]


def test_in_an_emergency_the_old_keys_are_gone_at_once() -> None:
    made = planned([CURRENT, NEXT, a_key("other", alg="RS256")], rotate="ES256", forget="ES256")
    assert made is not None
    assert [key.kid for key in made.keep] == ["other"]
    assert [key.activates_at for key in made.create] == [NOON, NOON + 90 * DAY]


def test_keys_of_other_algorithms_are_left_alone() -> None:
    other = a_key("other", alg="RS256")
    made = planned([CURRENT, NEXT, other], rotate="ES256")
    assert made is not None
    assert other in made.keep


def test_when_every_key_has_retired_a_waiting_one_is_called_early() -> None:
    retired = a_key("old", retires_at=NOON, expires_at=NOON + DAY)
    made = planned([retired, NEXT])
    assert made is not None
    assert replace(NEXT, activates_at=NOON) in made.keep
    assert retired in made.keep


def test_a_plan_carried_out_leaves_nothing_to_do() -> None:
    for keys, now in (((), NOON), ((CURRENT,), NOON), ((CURRENT, NEXT), NOON + 91 * DAY)):
        made = planned(keys, now)
        assert made is not None
        new = [
            a_key(f"new{number}", published_at=now, activates_at=key.activates_at)
            for number, key in enumerate(made.create)
        ]
        assert planned([*made.keep, *new], now) is None


def test_keys_that_change_faster_than_they_are_published_ahead_wait_in_a_row() -> None:
    """Whoever reads the set no more often than every half minute still knows each key before it signs."""
    second = timedelta(seconds=1)
    times = KeyTimes(signs_for=5 * second, published_ahead=60 * second, verifies_for=DAY)
    keys: tuple[SigningKeyRecord, ...] = ()
    signed: list[SigningKeyRecord] = []
    for number in range(0, 300, 5):
        now = NOON + number * second
        made = plan(keys, now, times, algs=("ES256",))
        if made is not None:
            new = [
                a_key(f"{number}-{index}", published_at=now, activates_at=key.activates_at)
                for index, key in enumerate(made.create)
            ]
            keys = (*made.keep, *new)
        current = signing(keys, "ES256", now)
        assert current is not None
        signed.append(current)
    _, *others = dict.fromkeys(signed)
    assert all(key.activates_at - key.published_at >= times.published_ahead for key in others)
    turns = [key.activates_at for key in others]
    assert {later - sooner for sooner, later in pairwise(turns)} == {5 * second}
    assert len(others) == 48


def test_one_key_waits_where_keys_sign_for_longer_than_they_are_published_ahead() -> None:
    for day in range(89):
        assert planned([CURRENT, NEXT], NOON + day * DAY) is None
