"""One `innkeeper dev` per module."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.house import House, a_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """A running dev server with the example world."""
    with a_house(tmp_path_factory.mktemp("house")) as running:
        yield running
