"""The little server of the sample browser app: its pages, its settings, and nothing beside them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from examples.timesheets_spa.__main__ import server

CONFIG = {"issuer": "http://localhost:9000", "client_id": "timesheets-spa", "scope": "openid"}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[httpx2.Client]:
    bundle = tmp_path / "bundle.js"
    bundle.write_text("start()")
    with server(CONFIG, bundle, port=0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{running.server_address[1]}", trust_env=False
        ) as client:
            yield client
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "page"), [("/", "app"), ("/callback.html?code=x", "callback"), ("/popup.html", "popup")]
)
def test_every_registered_callback_is_a_page_with_the_script(
    path: str, page: str, browser: httpx2.Client
) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert f'data-page="{page}"' in answer.text
    assert 'src="/bundle.js"' in answer.text


def test_settings_and_script_are_served(browser: httpx2.Client) -> None:
    assert browser.get("/config.json").json() == CONFIG
    assert browser.get("/bundle.js").text == "start()"


def test_nothing_else_is_served(browser: httpx2.Client) -> None:
    assert browser.get("/%2e%2e/__main__.py").status_code == 404
    assert browser.get("/nowhere").status_code == 404


def test_codes_in_addresses_are_not_logged(browser: httpx2.Client, capfd: pytest.CaptureFixture[str]) -> None:
    browser.get("/callback.html?code=a-secret-code")
    assert "a-secret-code" not in "".join(capfd.readouterr())
