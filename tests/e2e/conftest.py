"""One `innkeeper dev` per module."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests import innkeeper_process
from tests.innkeeper_process import InnkeeperProcess


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[InnkeeperProcess]:
    """A running dev server with the example world."""
    with innkeeper_process.dev(tmp_path_factory.mktemp("house") / "data") as running:
        yield running
