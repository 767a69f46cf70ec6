"""The sample API in this process, with a stand-in issuer behind its guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from examples.timesheets_api.app import create_app
from tests.stand_in_issuer import StandInIssuer

SPA = "http://localhost:8001"


@asynccontextmanager
async def a_running_api(issuer: StandInIssuer, file: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Start and stop the API as a server would, so that its file is closed."""
    app = create_app(issuer.guard(), file, origins=(SPA,))
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost:9001") as client,
    ):
        yield client


@pytest.fixture
def issuer() -> StandInIssuer:
    return StandInIssuer()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "timesheets.sqlite"


@pytest.fixture
async def api(issuer: StandInIssuer, file: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with a_running_api(issuer, file) as client:
        yield client
