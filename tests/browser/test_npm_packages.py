"""The stock JavaScript clients are there as their authors published them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import npm_packages


def test_the_pinned_client_can_be_bundled_for_a_page(modules: Path, tmp_path: Path) -> None:
    script = 'import {UserManager} from "oidc-client-ts"; window.UserManager = UserManager;'
    bundle = npm_packages.bundled(modules, script, tmp_path / "bundle.js")
    assert "signinRedirect" in bundle.read_text(encoding="utf-8")


def test_a_bundle_of_a_package_that_is_not_pinned_is_refused(modules: Path, tmp_path: Path) -> None:
    with pytest.raises(npm_packages.FetchFailedError, match="left-out"):
        npm_packages.bundled(modules, 'import "left-out";', tmp_path / "bundle.js")
