"""`kill -9` of a live server under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.nodes import a_site, running
from tests.wire import Unsent, Wire

pytestmark = pytest.mark.e2e


async def test_a_killed_node_comes_back_with_everything_it_acknowledged(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    with running(site.node()) as (node,):
        wire = Wire(node.port, host=site.host)
        browser, web = Browser(site, wire), App(site, wire)
        await browser.sign_in()
        code = await browser.code()
        tokens = await web.tokens(browser)
        given_back = await web.tokens(browser)
        assert (await web.revoke(given_back["refresh_token"])).status == 200

        node.kill()
        with pytest.raises(Unsent):
            await wire.get("/healthz")
        node.start()

        # Still signed in, since no page came first.
        assert (await browser.authorize()).location.startswith("https://web.example.test/cb?code=")
        assert (await web.exchange(code)).status == 200
        assert (await web.exchange(code)).error == "invalid_grant"
        assert (await web.refresh(tokens["refresh_token"])).status == 200
        assert (await web.refresh(given_back["refresh_token"])).error == "invalid_grant"
        assert (await web.introspect(given_back["access_token"])).json == {"active": False}
        wire.close()
