"""The power goes: what was acknowledged is there afterwards (F04-F06), since every commit waited for its fsync."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.storage.disk_controls import Fault
from tests.faults.storage.nodes_on_disks import lose_power, on_a_bad_disk, under_load
from tests.nodes import a_site, running
from tests.wire import Wire

pytestmark = pytest.mark.e2e


async def test_acknowledged_work_survives_the_loss_of_power(tmp_path: Path, amount: Amount) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with under_load(node, has_documents=False) as load:
            for _ in range(amount(full=100, quick=2)):
                await asyncio.sleep(load.random.uniform(0.1, 0.6))
                # Before one of the next writes or syncs: most deaths by chance would fall between two commits.
                disk.power_off_at = disk.operations + load.random.randrange(1, 40)
                assert node.process is not None
                await asyncio.to_thread(node.process.wait, 20)
                disk.power_off_at = 0
                node.launch()
                await node.listening()


async def test_after_a_failed_fsync_nothing_is_built_on_what_it_lost(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            tokens = await web.tokens(browser)
            disk.faults = Fault.SYNC
            refused = await browser.authorize()
            assert (refused.status, "retry-after" in refused.headers) == (503, True), refused.body
            assert disk.injected
            disk.faults = Fault(0)
            assert (await web.revoke(tokens["refresh_token"])).status == 200
            later = await web.tokens(browser)
            await lose_power(node, disk)
            node.start()
            assert (await web.refresh(tokens["refresh_token"])).error == "invalid_grant"
            assert (await web.refresh(later["refresh_token"])).status == 200
