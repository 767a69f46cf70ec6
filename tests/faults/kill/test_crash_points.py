"""Death before each single write and sync of a commit (F01, F02, F04), not only where chance lets it fall."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.storage.disk_controls import DiskControls
from tests.faults.storage.nodes_on_disks import on_a_bad_disk
from tests.nodes import Node, a_site, running
from tests.wire import Answer, Unanswered, Wire

pytestmark = pytest.mark.e2e

Death = Literal["kill", "power"]
# More than any of these commits has; beyond its last operation the request is answered before anybody dies.
MOST_OPERATIONS = 120


@pytest.mark.parametrize(
    "death", [pytest.param("kill"), pytest.param("power", marks=pytest.mark.faults("kill"))]
)
async def test_a_redemption_happens_once_or_not_at_all(tmp_path: Path, death: Death, amount: Amount) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            deaths = 0
            for place in places(amount):
                code = await browser.code()
                first = await until_death(node, disk, death, place, partial(web.exchange, code))
                again = await web.exchange(code)
                if first is not None:
                    assert (first.status, again.error) == (200, "invalid_grant")
                    break
                deaths += 1
                assert again.status == 200 or again.error == "invalid_grant", again.body
                assert (await web.exchange(code)).error == "invalid_grant"
            assert deaths
            print(f"{death}: a redemption died at {deaths} places")


@pytest.mark.parametrize(
    "death", [pytest.param("kill"), pytest.param("power", marks=pytest.mark.faults("kill"))]
)
async def test_a_rotation_never_signs_anybody_out(tmp_path: Path, death: Death, amount: Amount) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            token = (await web.tokens(browser))["refresh_token"]
            deaths = 0
            for place in places(amount):
                first = await until_death(node, disk, death, place, partial(web.refresh, token))
                again = await web.refresh(token)
                assert again.status == 200, again.body
                token = again.json["refresh_token"]
                if first is not None:
                    # A retry inside the overlap gets the same successor.
                    assert first.json["refresh_token"] == token
                    break
                deaths += 1
            assert deaths
            print(f"{death}: a rotation died at {deaths} places")


@pytest.mark.faults("kill")
@pytest.mark.parametrize("death", ["kill", "power"])
async def test_a_revocation_can_be_asked_for_again_until_it_is_acknowledged(
    tmp_path: Path, death: Death, amount: Amount
) -> None:
    site = await a_site(tmp_path / "data")
    node, disk = on_a_bad_disk(site)
    with running(node):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            for place in places(amount):
                tokens = await web.tokens(browser)
                token = tokens["refresh_token"]
                first = await until_death(node, disk, death, place, partial(web.revoke, token))
                assert (await web.revoke(token)).status == 200
                assert (await web.refresh(token)).error == "invalid_grant"
                assert (await web.introspect(tokens["access_token"])).json == {"active": False}
                if first is not None:
                    break


def places(amount: Amount) -> list[int]:
    """Every one, or some of the first that every commit has."""
    count = amount(full=MOST_OPERATIONS, quick=1)
    if count == MOST_OPERATIONS:
        return list(range(1, count + 1))
    # A rotation has five, and with fewer pages to write one less. Not a secret: any of them will do.
    return random.sample(range(1, 4), count)


async def until_death(
    node: Node, disk: DiskControls, death: Death, place: int, request: Callable[[], Awaitable[Answer]]
) -> Answer | None:
    """Answers what came, or None after the node has died before this operation and was started again."""
    if death == "kill":
        disk.kill_at = disk.operations + place
    else:
        disk.power_off_at = disk.operations + place
    try:
        return await request()
    except Unanswered:
        assert node.process is not None
        await asyncio.to_thread(node.process.wait, 20)
        disk.kill_at = disk.power_off_at = 0
        await asyncio.to_thread(node.start)
        return None
    finally:
        disk.kill_at = disk.power_off_at = 0
