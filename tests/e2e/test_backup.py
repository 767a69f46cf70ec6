"""Backup and restore as an operator does them: beside a server under load, and after a disaster."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.e2e.programs import innkeeper
from tests.nodes import Site, a_site, running
from tests.wire import Wire

pytestmark = pytest.mark.e2e


async def command(*words: str, site: Site | None = None) -> str:
    """Beside whatever goes on here; what it told the person."""
    done = await asyncio.to_thread(innkeeper, *words, data=site.data if site else None)
    assert done.returncode == 0, done.stderr
    return done.stderr


async def refusal(*words: str, site: Site | None = None) -> str:
    """The one line of a command that does nothing."""
    done = await asyncio.to_thread(innkeeper, *words, data=site.data if site else None)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


async def test_a_database_that_was_backed_up_under_load_comes_back_and_what_it_cannot_know_has_ended(
    tmp_path: Path,
) -> None:
    site = await a_site(tmp_path / "data")
    file = tmp_path / "backup.sqlite3"
    with running(site.node()) as (node,):
        wire = Wire(node.port, host=site.host)
        browser, web, partner, cron = (
            Browser(site, wire), App(site, wire), App(site, wire, "partner"), App(site, wire, "cron"),
        )  # fmt: skip
        tokens = await web.tokens(browser)
        await partner.tokens(browser)
        spare = await browser.code()
        machine = (await cron.machine_token()).json["access_token"]
        backing_up = asyncio.create_task(command("backup", str(file), site=site))
        exchanges = 0
        while not backing_up.done():
            answer = await web.refresh(tokens["refresh_token"])
            assert answer.status == 200, answer.body
            tokens, exchanges = answer.json, exchanges + 1
        assert "read again and compared" in await backing_up
        assert exchanges > 0
        assert "already serves" in await refusal("restore", str(file), "--replace", site=site)
        later = await web.tokens(browser)
        wire.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is whole" in await command("restore", str(file), "--verify")

    # The disk is gone. What was kept elsewhere: the backup, the settings, the master secret.
    for name in site.data.glob("innkeeper.sqlite3*"):
        name.unlink()
    assert "have ended" in await command("restore", str(file), site=site)
    with running(site.node()) as (node,):
        wire = Wire(node.port, host=site.host)
        browser.wire = wire
        web, partner, cron = App(site, wire), App(site, wire, "partner"), App(site, wire, "cron")
        for dead in (tokens, later):
            assert (await web.refresh(dead["refresh_token"])).error == "invalid_grant"
            assert (await web.introspect(dead["access_token"])).json == {"active": False}
        assert (await web.exchange(spare)).error == "invalid_grant"
        assert (await cron.introspect(machine)).json == {"active": False}
        # Nobody is signed in, and consents are asked for again: both pages come.
        assert (await browser.authorize(prompt="none")).location.count("error=login_required") == 1
        assert (await web.refresh((await web.tokens(browser))["refresh_token"])).status == 200
        assert "consent_required" in (await browser.authorize("partner", prompt="none")).location
        await partner.tokens(browser)
        await asyncio.sleep(1.1)  # tokens of the second of the restore itself are dead
        machine = (await cron.machine_token()).json["access_token"]
        assert (await cron.introspect(machine)).json["active"] is True
        wire.close()
    rows = sqlite3.connect(site.data / "innkeeper.sqlite3").execute(
        "SELECT count(*) FROM audit_events WHERE type = 'database.restored'"
    )
    assert rows.fetchall() == [(1,)]


async def test_what_must_not_be_restored_is_refused_with_the_remedy(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    folder = tmp_path / "backups"
    folder.mkdir()
    await command("backup", str(folder), site=site)
    [file] = folder.iterdir()
    assert "exists already" in await refusal("backup", str(file), site=site)
    assert "--replace" in await refusal("restore", str(file), site=site)
    assert "not a backup" in await refusal("restore", str(site.data / "innkeeper.sqlite3"), "--verify")
    assert "there is no database" in await refusal("restore", str(folder / "nothing"), site=site)

    other = await a_site(tmp_path / "other")
    before = (other.data / "innkeeper.sqlite3").read_bytes()
    assert "another master secret" in await refusal("restore", str(file), "--replace", site=other)
    shutil.copy(site.folder.master_secret, other.folder.master_secret)
    assert "issuer" in await refusal("restore", str(file), "--replace", site=other)
    assert (other.data / "innkeeper.sqlite3").read_bytes() == before

    # Somebody who only copies the file into its place would bring dead tokens back to life.
    shutil.copy(file, site.data / "innkeeper.sqlite3")
    assert "innkeeper restore" in await refusal("key", "list", site=site)
    await command("restore", str(file), "--replace", site=site)
    site.command("key", "list", "--json")
