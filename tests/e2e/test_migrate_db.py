"""T55: the company outgrows one machine. Its data moves to PostgreSQL, and nobody notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.e2e.programs import innkeeper
from tests.nodes import Site, a_site, running
from tests.postgres import Cluster, Foreign
from tests.wire import Wire

pytestmark = pytest.mark.e2e


async def command(*words: str) -> str:
    """What it told the person."""
    done = await asyncio.to_thread(innkeeper, *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


async def refusal(*words: str, data: Path | None = None) -> str:
    """The one line of a command that does nothing."""
    done = await asyncio.to_thread(innkeeper, *words, data=data)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def name_in_settings(site: Site, url: str | None) -> None:
    """What the operator does after a move."""
    lines = site.folder.config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("url = ")]
    if url is not None:
        kept.insert(kept.index("[database]") + 1, f'url = "{url}"')
    site.folder.config.write_text("\n".join(kept) + "\n", encoding="utf-8")


async def test_T55_refresh_tokens_and_sessions_go_on_living_in_postgresql_and_back(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    site = await a_site(tmp_path / "data", people=("carl", "erin"))
    file, url = f"sqlite://{site.data / 'innkeeper.sqlite3'}", await postgres.fresh_database()
    carl, erin = (
        Browser(site, Wire(0, host=site.host), "carl"),
        Browser(site, Wire(0, host=site.host), "erin"),
    )
    with running(site.node()) as (node,):
        wire = carl.wire = erin.wire = Wire(node.port, host=site.host)
        web, partner = App(site, wire), App(site, wire, "partner")
        carls, erins, given_back = await web.tokens(carl), await partner.tokens(erin), await web.tokens(erin)
        old = carls["refresh_token"]
        carls = (await web.refresh(old)).json
        await web.revoke(given_back["refresh_token"])
        waiting = await web.tokens(carl)
        spare = await carl.code()
        assert "already serves" in await refusal("migrate-db", file, url)
        wire.close()

    assert "every one compared" in await command("migrate-db", file, url)
    assert "has moved to" in await refusal("key", "list", data=site.data)
    name_in_settings(site, url)
    with running(site.node()) as (node,):
        wire = carl.wire = erin.wire = Wire(node.port, host=site.host)
        web, partner = App(site, wire), App(site, wire, "partner")
        # Still signed in, with the consent that was given: no page comes first.
        assert (await carl.authorize(prompt="none")).location.startswith("https://web.example.test/cb?code=")
        assert (await erin.authorize("partner", prompt="none")).location.startswith("https://partner.")
        answer = await web.refresh(carls["refresh_token"])
        assert answer.status == 200
        assert (await web.introspect(waiting["access_token"])).json["active"] is True
        assert (await partner.refresh(erins["refresh_token"])).status == 200
        assert (await web.exchange(spare)).status == 200
        # What was dead stays dead, and what was used stays used.
        assert (await web.refresh(given_back["refresh_token"])).error == "invalid_grant"
        assert (await web.exchange(spare)).error == "invalid_grant"
        assert (await web.refresh(old)).error == "invalid_grant"
        assert (await web.refresh(answer.json["refresh_token"])).error == "invalid_grant"
        assert "stop every node" in await refusal("migrate-db", url, file, "--replace")
        wire.close()

    assert "--replace" in await refusal("migrate-db", url, file)
    await command("migrate-db", url, file, "--replace")
    name_in_settings(site, None)
    with running(site.node()) as (node,):
        wire = carl.wire = Wire(node.port, host=site.host)
        web = App(site, wire)
        assert (await carl.authorize(prompt="none")).location.startswith("https://web.example.test/cb?code=")
        assert (await web.refresh(waiting["refresh_token"])).status == 200
        wire.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("sqlite:///nowhere/at.all", "postgresql://one:secret@db/x"), "PGPASSWORD"),
        (("sqlite:///nowhere/at.all", "postgresql://one@db/x?password=secret"), "PGPASSWORD"),
        (("mysql://one:secret@db/x", "sqlite:///nowhere/at.all"), "sqlite:// or postgresql://"),
        (("sqlite:///nowhere/at.all", "sqlite:///nowhere/at.all"), "the same"),
        (("sqlite:///nowhere/at.all", "sqlite:///nowhere/else"), "there is no database"),
    ],
)
async def test_what_cannot_be_moved_is_refused_and_no_password_is_repeated(
    words: tuple[str, str], reason: str
) -> None:
    told = await refusal("migrate-db", *words)
    assert reason in told
    assert "secret" not in told
