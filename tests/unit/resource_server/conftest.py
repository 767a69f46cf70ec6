"""A stand-in issuer and a guard that believes it."""

from __future__ import annotations

import pytest

from innkeeper.resource_server import Guard
from tests.stand_in_issuer import StandInIssuer


@pytest.fixture
def issuer() -> StandInIssuer:
    return StandInIssuer()


@pytest.fixture
def guard(issuer: StandInIssuer) -> Guard:
    return issuer.guard()
