"""One pair for the whole suite (of this worker): making one takes longer than most that is done to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.failover.pair import Pair, a_pair


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    """Without a standby until somebody completes it."""
    with a_pair() as made:
        yield made
