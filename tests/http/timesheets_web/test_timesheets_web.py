"""The sample web app where no issuer is needed: what it shows, what it refuses, where it finds its secret."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from examples.timesheets_web.__main__ import credentials
from examples.timesheets_web.app import Settings, create_app

SETTINGS = Settings(issuer="http://localhost:9000", client_id="timesheets-web", client_secret="hush")


def a_browser() -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=create_app(SETTINGS))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000")


async def test_a_stranger_is_offered_to_sign_in() -> None:
    async with a_browser() as browser:
        assert 'href="/login"' in (await browser.get("/")).text
        assert (await browser.get("/timesheets")).headers["location"] == "/login"


async def test_a_refusal_of_the_issuer_is_shown_escaped_and_signs_nobody_in() -> None:
    async with a_browser() as browser:
        answer = await browser.get("/auth/callback", params={"error": "<script>", "state": "x"})
        assert answer.status_code == 400
        assert '<p id="error">&lt;script&gt;</p>' in answer.text
        assert 'href="/login"' in (await browser.get("/")).text


async def test_a_code_without_the_state_of_this_browser_signs_nobody_in() -> None:
    async with a_browser() as browser:
        answer = await browser.get("/auth/callback", params={"code": "stolen", "state": "of somebody else"})
        assert (answer.status_code, "mismatching_state" in answer.text) == (400, True)


def a_dev_file(folder: Path) -> Path:
    apps = [{"client_id": "timesheets-spa"}, {"client_id": "paycheck", "client_secret": "hush"}]
    file = folder / "dev.json"
    file.write_text(json.dumps({"issuer": "http://localhost:9100", "apps": apps}))
    return file


def test_credentials_come_from_the_dev_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INNKEEPER_ISSUER", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert credentials("paycheck", a_dev_file(tmp_path)) == ("http://localhost:9100", "paycheck", "hush")
    with pytest.raises(LookupError, match="no app timesheets-spa with a secret"):
        credentials("timesheets-spa", a_dev_file(tmp_path))
    with pytest.raises(LookupError, match="is not there"):
        credentials("paycheck", tmp_path / "nowhere.json")


def test_credentials_of_the_environment_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNKEEPER_ISSUER", "https://id.example.test")
    monkeypatch.setenv("CLIENT_ID", "my-site")
    monkeypatch.setenv("CLIENT_SECRET", "secret")
    assert credentials("paycheck", a_dev_file(tmp_path)) == ("https://id.example.test", "my-site", "secret")
