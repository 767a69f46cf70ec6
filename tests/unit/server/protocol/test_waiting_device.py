"""Whose confirmation it is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from innkeeper.server.model.identifiers import HandleKey, SessionId
from innkeeper.server.protocol.waiting_device import DeviceReference, is_confirmed_by

ERIN, MONA = SessionId("erin"), SessionId("mona")
CONFIRMED = DeviceReference(key=HandleKey(b"k"), user_code="BCDF-GHJK", is_confirmed=True)


@pytest.mark.parametrize(
    ("shown_to", "sid", "here", "answered", "counts"),
    [
        (None, None, None, None, True),  # nobody is signed in yet: they will be
        (ERIN, ERIN, None, None, True),
        (ERIN, MONA, None, None, False),
        (None, ERIN, None, None, False),  # signed in elsewhere meanwhile
        (None, ERIN, ERIN, None, True),  # signed in here, after the question
        (MONA, ERIN, ERIN, None, True),
        (MONA, ERIN, None, ERIN, True),
        (ERIN, MONA, ERIN, ERIN, False),
    ],
)
def test_it_counts_for_who_was_asked_or_has_acted_since(
    shown_to: SessionId | None,
    sid: SessionId | None,
    here: SessionId | None,
    answered: SessionId | None,
    counts: bool,
) -> None:
    device = replace(CONFIRMED, shown_to=shown_to)
    assert is_confirmed_by(device, sid, signed_in_here=here, answered_by=answered) is counts


def test_without_a_yes_nothing_counts() -> None:
    device = replace(CONFIRMED, is_confirmed=False, shown_to=ERIN)
    assert not is_confirmed_by(device, ERIN, signed_in_here=ERIN, answered_by=ERIN)
    assert not is_confirmed_by(device, None, signed_in_here=None, answered_by=None)
