"""The disk of the SQLite file fails (F06-F08): no false success, 503 meanwhile, recovery without a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.storage.disk_controls import Fault
from tests.faults.storage.nodes_on_disks import (
    a_small_disk,
    full,
    is_ready,
    lose_power,
    on_a_bad_disk,
    remount,
    under_load,
)
from tests.nodes import a_site, running
from tests.wire import Wire

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "fault",
    [
        Fault.SYNC,
        pytest.param(Fault.WRITE, marks=pytest.mark.faults("storage")),
        pytest.param(Fault.READ | Fault.WRITE, marks=pytest.mark.faults("storage")),
        Fault.FULL,
        Fault.READ_ONLY,
    ],
    ids=lambda fault: fault.name,
)
async def test_while_the_disk_fails_nothing_succeeds_falsely_and_afterwards_all_goes_on(
    tmp_path: Path, fault: Fault, amount: Amount
) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with under_load(node) as load:
            for _ in range(amount(full=20, quick=1)):
                await asyncio.sleep(load.random.uniform(0.1, 0.5))
                disk.injected = 0
                disk.faults = fault
                await is_ready(node, expected=503)
                await asyncio.sleep(amount(full=20, quick=3) / 10)
                assert disk.injected, "the fault was never met"
                disk.faults = Fault(0)
                await is_ready(node, expected=200)
            assert node.log.count("Innkeeper serves") == 1, "it was started again"
        assert load.answers[503]
        async with under_load(node, has_documents=False) as load:
            # What was acknowledged after the fault is as durable as ever.
            await asyncio.sleep(0.2)
            await lose_power(node, disk)
            node.launch()
            await node.listening()


async def test_a_full_file_system_stops_writing_alone_and_room_is_all_it_takes(
    tmp_path: Path, amount: Amount
) -> None:
    # Larger than the log becomes: on a disk that the log alone has filled there is no room to move it to.
    with a_small_disk(tmp_path / "disk", size_mb=64) as folder:
        site = await a_site(folder / "data")
        node = site.node()
        node.log_file = tmp_path / "node.log"
        with running(node):
            async with under_load(node) as load:
                for _ in range(amount(full=20, quick=1)):
                    await asyncio.sleep(load.random.uniform(0.1, 0.5))
                    with full(folder, site.folder.database):
                        await is_ready(node, expected=503)
                        await asyncio.sleep(amount(full=20, quick=3) / 10)
                    await is_ready(node, expected=200)
            assert load.answers[503]
            async with Wire(node.port, host=site.host) as wire:
                browser, web = Browser(site, wire), App(site, wire)
                await browser.sign_in()
                tokens = await web.tokens(browser)
                with full(folder, site.folder.database):
                    # The log is begun anew in its own place, until more is written than that has room for.
                    while (await browser.authorize()).status != 503:
                        pass
                    await is_ready(node, expected=503)
                    # Reading needs no room.
                    assert (await web.introspect(tokens["access_token"])).json["active"]
                    assert (await App(site, wire, "cron").machine_token()).status == 200


async def test_a_node_does_not_start_on_a_read_only_file_system_and_says_why(tmp_path: Path) -> None:
    with a_small_disk(tmp_path / "disk", size_mb=16) as folder:
        site = await a_site(folder / "data")
        node = site.node()
        node.log_file = tmp_path / "node.log"
        with running(node):
            node.kill()
            remount(folder, "ro")
            node.launch()
            assert node.process is not None
            assert await asyncio.to_thread(node.process.wait, 30) == 1
            told = node.log.splitlines()[-1]
            assert "Read-only file system" in told or "readonly" in told, node.log
            assert "Traceback" not in node.log
            remount(folder, "rw")
            node.start()


async def test_a_database_that_vanishes_is_not_made_anew_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    node, _ = on_a_bad_disk(site)
    database, aside = site.folder.database, tmp_path / "aside"
    with running(node):
        async with under_load(node) as load:
            await asyncio.sleep(0.3)
            database.rename(aside)
            await is_ready(node, expected=503)
            await asyncio.sleep(0.3)
            assert not database.exists()
            aside.rename(database)
            await is_ready(node, expected=200)
        assert load.answers[503]
        node.kill()
        node.start()
        await is_ready(node, expected=200)
