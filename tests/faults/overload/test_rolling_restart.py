"""Both nodes are restarted again and again, one after the other, and no request fails. A slice of it is T54."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.rolling import restarted_under_load
from tests.postgres import Cluster, Foreign
from tests.two_nodes import two_nodes

pytestmark = pytest.mark.faults("overload")
ROUNDS = 10


def test_twenty_restarts_cost_nobody_a_request(postgres: Cluster | Foreign, tmp_path: Path) -> None:
    dsn = asyncio.run(postgres.fresh_database())
    with two_nodes(tmp_path / "data", dsn) as pair:
        restarted_under_load(pair, tmp_path, rounds=ROUNDS)
