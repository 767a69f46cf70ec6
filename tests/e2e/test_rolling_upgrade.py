"""From one version to the next without a failed request: both serve one database for a while."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import innkeeper
from innkeeper.server.storage.schema import migrations
from tests.caller import App, Browser
from tests.nodes import Node, Site, a_site, a_steady_port
from tests.postgres import Cluster, Foreign
from tests.wire import Wire

pytestmark = pytest.mark.e2e

# Room in every table that a request writes to, as a next version may want it.
EXPANDING = """
CREATE TABLE teams (team_id TEXT NOT NULL PRIMARY KEY, record {bytes} NOT NULL);
ALTER TABLE users ADD COLUMN team TEXT;
ALTER TABLE clients ADD COLUMN rank BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN device_name TEXT;
ALTER TABLE refresh_families ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE authorization_codes ADD COLUMN par BIGINT;
ALTER TABLE audit_events ADD COLUMN severity SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN region TEXT;
CREATE INDEX grants_by_device ON grants (device_name);
"""


def the_next_version(folder: Path) -> Path:
    """This one with one migration more: what PYTHONPATH has to name."""
    here = Path(innkeeper.__file__).parent
    shutil.copytree(here, folder / "innkeeper", ignore=shutil.ignore_patterns("__pycache__"))
    number = migrations.load()[-1].number + 1
    schema = folder / "innkeeper" / "server" / "storage" / "schema"
    (schema / f"{number:04}_next.sql").write_text(EXPANDING, encoding="utf-8")
    return folder


class Load:
    """Exchanges one after the other, each at another node than the one before; counts what was not answered well."""

    def __init__(self, site: Site, token: str) -> None:
        self._site = site
        self._token = token
        self.nodes: list[Node] = []
        self.answers: list[int] = []
        self._is_over = False

    async def run(self) -> None:
        turn = 0
        while not self._is_over:
            node = self.nodes[turn % len(self.nodes)]
            turn += 1
            wire = Wire(node.port, host=self._site.host)
            answer = await App(self._site, wire).refresh(self._token)
            wire.close()
            self.answers.append(answer.status)
            if answer.status == 200:
                self._token = answer.json["refresh_token"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self._is_over = True
            await task


async def a_few_more(load: Load) -> None:
    """Until every node has had its turn several times."""
    wanted = len(load.answers) + 10
    while len(load.answers) < wanted:
        await asyncio.sleep(0.02)


async def test_old_and_new_nodes_serve_one_database_and_no_request_fails(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    newer = {"PYTHONPATH": str(the_next_version(tmp_path / "next"))}
    old, other_old = site.node(), site.node(a_steady_port())
    new, other_new = site.node(a_steady_port(), **newer), site.node(a_steady_port(), **newer)
    everybody = (old, other_old, new, other_new)
    try:
        old.start()
        other_old.start()
        old_wire = Wire(old.port, host=site.host)
        browser = Browser(site, old_wire)
        load = Load(site, (await App(site, old_wire).tokens(browser))["refresh_token"])
        load.nodes = [old, other_old]
        async with load.running():
            await a_few_more(load)
            code_of_old = await browser.code()
            # The first new node migrates, under load.
            new.launch()
            await new.listening()
            load.nodes = [old, new, other_old, new]
            await a_few_more(load)

            new_wire = Wire(new.port, host=site.host)
            assert (await App(site, new_wire).exchange(code_of_old)).status == 200
            browser.wire = new_wire
            assert "code=" in (await browser.authorize(prompt="none")).location
            tokens_of_new = await App(site, new_wire).tokens(browser)
            # And back: what the new one has given out is good at the old one.
            assert (await App(site, old_wire).refresh(tokens_of_new["refresh_token"])).status == 200
            browser.wire = old_wire
            assert "code=" in (await browser.authorize(prompt="none")).location

            load.nodes = [new, other_old]
            await a_few_more(load)
            assert old.stop() == 0
            await asyncio.to_thread(refuses_to_start, old)
            other_new.launch()
            await other_new.listening()
            load.nodes = [new, other_new]
            await a_few_more(load)
            assert other_old.stop() == 0
            await a_few_more(load)
            old_wire.close()
            new_wire.close()
        assert set(load.answers) == {200}
    finally:
        for node in everybody:
            node.end()


def refuses_to_start(old: Node) -> None:
    """With one line that says why and what to do."""
    old.launch()
    assert old.process is not None
    assert old.process.wait(60) == 1
    assert "it was used by a newer Innkeeper; run that version" in old.log.splitlines()[-1]
