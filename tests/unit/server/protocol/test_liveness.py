"""What lives, and what has ended, case by case."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ClientId, GrantId, HandleKey, SessionId, Subject
from innkeeper.server.model.session import Session
from innkeeper.server.protocol.liveness import is_live, is_session_live, stands
from innkeeper.server.storage.outcomes import GrantStanding
from tests.world import START, a_user

HOUR = timedelta(hours=1)
GRANT = Grant(
    grant_id=GrantId("g"),
    client_id=ClientId("web"),
    user_id=Subject("ik|erin"),
    api=None,
    scope=("openid",),
    sid=None,
    auth_time=START,
    amr=("pwd",),
    acr=None,
    epochs=Epochs(client_revision=4, client_epoch=3, user_epoch=1, consent_epoch=2),
    created_at=START,
    expires_at=START + HOUR,
)
STANDING = GrantStanding(grant=GRANT, user=a_user(), client_epoch=3, consent_epoch=2)
SESSION = Session(
    key=HandleKey(b"k"),
    sid=SessionId("s"),
    user_id=Subject("ik|erin"),
    user_epoch=1,
    auth_time=START,
    amr=("pwd",),
    acr=None,
    created_at=START,
    last_used_at=START,
    idle_expires_at=START + HOUR,
    absolute_expires_at=START + 2 * HOUR,
)


def test_a_grant_lives_while_nothing_has_moved() -> None:
    assert is_live(STANDING, START) and stands(STANDING)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": None},
        {"user": a_user(is_enabled=False)},
        {"user": a_user(epoch=2)},
        {"client_epoch": None},
        {"client_epoch": 4},
        {"consent_epoch": 3},
        {"consent_epoch": 0},
        {"grant": msgspec.structs.replace(GRANT, revoked_at=START)},
    ],
)
def test_a_grant_ends_with_each_thing_that_it_stands_on(changes: dict[str, Any]) -> None:
    changed = msgspec.structs.replace(STANDING, **changes)
    assert not is_live(changed, START) and not stands(changed)
    assert not is_live(None, START)


def test_a_change_that_ends_nothing_leaves_it_alive() -> None:
    assert is_live(msgspec.structs.replace(STANDING, user=a_user(revision=9, username="erin2")), START)


@pytest.mark.parametrize(
    ("scope", "sid", "session_ends_at", "lives"),
    [
        (("openid",), "s", START + HOUR, True),
        (("openid",), "s", START, False),
        (("openid",), "s", None, False),
        (("openid", "offline_access"), "s", None, True),
        (("openid",), None, None, True),
    ],
)
def test_what_was_not_allowed_for_when_the_person_is_away_ends_with_the_session(
    scope: tuple[str, ...], sid: str | None, session_ends_at: Any, lives: bool
) -> None:
    grant = msgspec.structs.replace(GRANT, scope=scope, sid=sid)
    standing = msgspec.structs.replace(STANDING, grant=grant, session_ends_at=session_ends_at)
    assert is_live(standing, START) is lives
    assert stands(standing)


@pytest.mark.parametrize(
    ("changes", "user", "after", "lives"),
    [
        ({}, a_user(), timedelta(0), True),
        ({}, a_user(), HOUR - timedelta(microseconds=1), True),
        ({}, a_user(), HOUR, False),
        ({"idle_expires_at": START + 3 * HOUR}, a_user(), 2 * HOUR, False),
        ({}, None, timedelta(0), False),
        ({}, a_user(is_enabled=False), timedelta(0), False),
        ({}, a_user(epoch=2), timedelta(0), False),
    ],
)
def test_a_session_lives_within_both_limits_while_its_person_does(
    changes: dict[str, Any], user: Any, after: timedelta, lives: bool
) -> None:
    session = msgspec.structs.replace(SESSION, **changes)
    assert is_session_live(session, user, START + after) is lives
