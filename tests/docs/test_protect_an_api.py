"""The page about protecting an API: what it shows runs, and it says what an offline guard cannot know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from innkeeper.resource_server import guard as guard_module
from tests.stand_in_issuer import StandInIssuer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protect-an-api.md"


@pytest.fixture
def issuer() -> StandInIssuer:
    return StandInIssuer()


@pytest.fixture
def shown(issuer: StandInIssuer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a reader has who pasted every snippet of the page."""
    monkeypatch.setattr(guard_module, "fetch_over_http", issuer.fetch)
    settings = {**defaults(), "clock": issuer.clock, "ask": issuer.ask}
    monkeypatch.setattr(guard_module.Guard.__init__, "__kwdefaults__", settings)
    monkeypatch.setenv("TIMESHEETS_API_SECRET", "secret")
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(snippet, names)
    return names


def api_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost:9001")


@pytest.mark.parametrize("app_name", ["app", "starlette_app"])
async def test_the_snippets_of_the_page_protect_what_they_show(
    app_name: str, shown: dict[str, Any], issuer: StandInIssuer
) -> None:
    async with api_of(shown[app_name]) as api:
        without = await api.get("/timesheets")
        good = await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
        too_little = await api.get("/timesheets", headers={"authorization": issuer.bearer("openid")[0]})
    assert [answer.status_code for answer in (without, good, too_little)] == [401, 200, 403]
    assert "the timesheets of erin" in good.text


async def test_the_asking_guard_of_the_page_feels_an_end_at_once_and_the_other_does_not(
    shown: dict[str, Any], issuer: StandInIssuer
) -> None:
    tokens = [issuer.token(), issuer.opaque_token()]
    async with api_of(shown["app"]) as api:

        async def statuses(path: str) -> list[int]:
            headers = [{"authorization": f"Bearer {token}"} for token in tokens]
            return [(await api.get(path, headers=header)).status_code for header in headers]

        assert await statuses("/timesheets") == [200, 401]
        assert await statuses("/payslips") == [200, 200]
        issuer.ended.update(tokens)
        assert await statuses("/timesheets") == [200, 401]
        assert await statuses("/payslips") == [401, 401]
        issuer.ended.clear()
        issuer.is_down = True
        assert await statuses("/timesheets") == [200, 401]
        assert await statuses("/payslips") == [503, 503]


def defaults() -> dict[str, Any]:
    return dict(guard_module.Guard.__init__.__kwdefaults__ or {})


def test_the_page_says_that_a_jwt_is_honoured_until_it_expires() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "honours a JWT until its `exp`" in page
    assert "nobody comes in while Innkeeper does not answer" in page
