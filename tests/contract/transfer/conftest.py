"""Small steps, so that few rows make many of them."""

from __future__ import annotations

import pytest

from innkeeper.server.storage.transfer import copying


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "CHUNK_ROWS", 2)
