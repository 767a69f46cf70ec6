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


@pytest.mark.parametrize("app_name", ["app", "starlette_app"])
async def test_the_snippets_of_the_page_protect_what_they_show(
    app_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = StandInIssuer()
    monkeypatch.setattr(guard_module, "fetch_over_http", issuer.fetch)
    monkeypatch.setattr(guard_module.Guard.__init__, "__kwdefaults__", {**defaults(), "clock": issuer.clock})
    shown: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(snippet, shown)
    transport = httpx2.ASGITransport(app=shown[app_name])
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:9001") as api:
        without = await api.get("/timesheets")
        good = await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
        too_little = await api.get("/timesheets", headers={"authorization": issuer.bearer("openid")[0]})
    assert [answer.status_code for answer in (without, good, too_little)] == [401, 200, 403]
    assert "the timesheets of erin" in good.text


def defaults() -> dict[str, Any]:
    return dict(guard_module.Guard.__init__.__kwdefaults__ or {})


def test_the_page_says_that_a_jwt_is_honoured_until_it_expires() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "honours a JWT until its `exp`" in page
