"""Loaded by pytest in a run on a broken build: proves which build is tested, reports each test's outcome."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import innkeeper

BUILD = "INNKEEPER_BROKEN_BUILD"
REPORT = "INNKEEPER_BROKEN_REPORT"

# Outcome per test id: only a failure of the test's own body counts; a broken fixture proves nothing.
outcomes: dict[str, str] = {}


def pytest_configure() -> None:
    build = Path(os.environ[BUILD]).resolve()
    if not Path(innkeeper.__file__).resolve().is_relative_to(build):
        pytest.exit(f"{innkeeper.__file__} is tested instead of the build in {build}", returncode=70)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.failed:
        outcomes[report.nodeid] = report.outcome if report.when == "call" else "error"


def pytest_sessionfinish() -> None:
    Path(os.environ[REPORT]).write_text(json.dumps(outcomes), encoding="utf-8")
