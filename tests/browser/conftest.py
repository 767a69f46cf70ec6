"""Chromium, the stock packages, and one `innkeeper dev` per module."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import npm_packages
from tests.house import House, a_house

CHROMIUM_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """A running dev server with the example world."""
    with a_house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(chromium_path: Path) -> Generator[Browser]:
    """One browser process; every test opens a profile of its own in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def modules(npm_path: Path, node_path: Path) -> Path:
    """`node_modules` with the pinned packages."""
    return npm_packages.fetched(npm_path)
