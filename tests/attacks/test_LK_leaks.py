"""LK: after a whole walk, failures included, no secret stands in an event, a log line or the database."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from innkeeper.jose import base64url
from innkeeper.server import app
from innkeeper.server.flows.keys import unseal
from innkeeper.server.observe.log import EventLog
from innkeeper.server.web import cookies
from tests.attacks.oracles import rows
from tests.attacks.token_requests import FOR_API, redeem, userinfo
from tests.visitor import BROWSER, Visitor
from tests.world import MASTER, PASSWORD, SECRET, TIMESHEETS, VERIFIER, World, a_world, basic, code_form

pytestmark = pytest.mark.anyio
WRONG_PASSWORD = "a-wrong-password-that-is-perhaps-right-elsewhere"
WRONG_SECRET = "ik_cs_" + "w" * 43
WRONG_VERIFIER = "w" * 64


async def walk(world: World) -> dict[str, str]:
    """Everything that exists, done well and badly; the secrets that were used."""
    settings = world.services.settings
    visitor = Visitor(world)
    await visitor.authorize()
    interaction = dict(visitor.page.fields)["interaction"]
    csrf = dict(visitor.page.fields)["csrf"]
    await visitor.sign_in(password=WRONG_PASSWORD)
    await visitor.sign_in("nobody", WRONG_PASSWORD)
    await visitor.sign_in()
    first = visitor.answer()["code"]
    opaque = (await redeem(world, first)).json()
    await userinfo(world, opaque["access_token"])
    await redeem(world, first)
    await userinfo(world, opaque["access_token"])
    second = await visitor.code(**FOR_API)
    jwt = (await redeem(world, second)).json()
    await userinfo(world, jwt["access_token"])
    burnt = await visitor.code()
    await redeem(world, burnt, code_verifier=WRONG_VERIFIER)
    unused = await visitor.code(client_id="paycheck", audience=TIMESHEETS, scope="openid read:timesheets")
    await redeem(world, unused, "web")
    await redeem(world, unused, "paycheck", WRONG_SECRET)
    machine = await world.http().post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "audience": TIMESHEETS},
        headers=basic("cron"),
    )
    await _misplace(world, unused, opaque["access_token"], interaction)
    return {
        "password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "client secret": SECRET,
        "wrong client secret": WRONG_SECRET,
        "Basic credentials": basic("web")["authorization"].removeprefix("Basic "),
        "verifier": VERIFIER,
        "wrong verifier": WRONG_VERIFIER,
        "redeemed code": first,
        "second code": second,
        "burnt code": burnt,
        "unused code": unused,
        "opaque access token": opaque["access_token"],
        "JWT access token": jwt["access_token"],
        "ID token": jwt["id_token"],
        "machine's token": machine.json()["access_token"],
        "session cookie": visitor.http.cookies[cookies.session_cookie_name(settings)],
        "browser cookie": visitor.http.cookies[cookies.browser_cookie_name(settings)],
        "interaction": interaction,
        "csrf token": csrf,
        "master secret": MASTER.current.value.reveal().decode(),
    }


async def _misplace(world: World, code: str, token: str, interaction: str) -> None:
    """Secrets where they do not belong: in paths, queries, other parameters, broken bodies."""
    http = world.http()
    form = {"content-type": "application/x-www-form-urlencoded"}
    await http.get(f"/{token}", headers=BROWSER)
    await http.get("/userinfo", params={"access_token": token})
    await http.post("/oauth/token", params=code_form(code), headers=basic("web"))
    await http.post(
        "/oauth/token", content=f"grant_type=x&code={code}&code={code}".encode(), headers=form | basic("web")
    )
    await http.post("/oauth/token", content=f"code={code}%zz".encode(), headers=form | basic("web"))
    await http.post(
        "/oauth/token", json={"grant_type": "authorization_code", "code": [code]}, headers=basic("web")
    )
    await http.post("/oauth/token", data={"grant_type": code}, headers=basic("web"))
    await http.get("/sign-in", params={"interaction": interaction}, headers=BROWSER)
    await http.get("/authorize", params={"client_id": "web", "code": code}, headers=BROWSER)
    await http.post(
        "/sign-in", content=f"password={WRONG_PASSWORD}&interaction={interaction}".encode(), headers=form
    )


async def test_LK_01_events_and_log_lines_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = await a_world()
    secrets = await walk(world)
    written: list[bytes] = []
    log = EventLog(written.append)
    for event in world.heard.events:
        log.emit(event)
    log.flush()
    log.close()
    # httpx2 is the visitor's browser, whose history is not ours.
    ours = [record for record in caplog.records if not record.name.startswith(("httpx2", "httpcore2"))]
    logged = "".join(caplog.handler.format(record) for record in ours)
    told = b"".join(written).decode() + logged + repr(world.heard.events)
    assert {event.type for event in world.heard.events} >= {
        "sign_in.succeeded",
        "sign_in.failed",
        "code.issued",
        "code.redeemed",
        "code.replayed",
        "code.burnt",
        "token.issued",
        "token.refused",
        "consent.given",
        "request.failed",
    }
    assert [name for name, value in secrets.items() if value in told] == []


async def test_LK_01_records_print_no_secret() -> None:
    world = await a_world()
    secrets = await walk(world)
    printed = repr(rows(world)) + repr(world.services) + repr(world.services.settings)
    assert [name for name, value in secrets.items() if value in printed] == []


async def test_LK_02_the_database_holds_no_secret_in_clear(tmp_path: Path) -> None:
    store = await app.open_store(tmp_path / "innkeeper.sqlite", role="serving")
    world = await a_world(store)
    secrets = {name: value.encode() for name, value in (await walk(world)).items()}
    for record in await store.signing_keys.list():
        secrets[f"private key {record.alg}"] = unseal(record, world.services.at_rest)[-32:]
    while_serving = _everything(tmp_path)
    await store.close()
    for written in (while_serving, _everything(tmp_path)):
        assert b"erin@example.test" in written  # what is looked through is the database
        assert [name for name, value in secrets.items() if value in written] == []


async def test_LK_02_no_random_part_of_a_handle_is_stored(tmp_path: Path) -> None:
    """Not even decoded: the text is base64url, the database holds bytes."""
    store = await app.open_store(tmp_path / "innkeeper.sqlite", role="serving")
    secrets = await walk(await a_world(store))
    await store.close()
    written = _everything(tmp_path)
    for name in ("redeemed code", "unused code", "burnt code", "opaque access token", "session cookie"):
        assert base64url.decode(secrets[name][6:])[8:] not in written, name
    assert base64url.decode(secrets["browser cookie"]) not in written


def _everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_LK_05_no_answer_repeats_a_secret_that_was_sent() -> None:
    world = await a_world()
    visitor = Visitor(world)
    code = await visitor.code()
    for answer in (
        await redeem(world, code, "other"),
        await redeem(world, code, secret=WRONG_SECRET),
        await redeem(world, code, code_verifier=WRONG_VERIFIER),
        await userinfo(world, code),
    ):
        seen = answer.text + repr(answer.headers)
        assert not any(secret in seen for secret in (code, SECRET, WRONG_SECRET, WRONG_VERIFIER, VERIFIER))
    await visitor.authorize(prompt="login")
    await visitor.sign_in(password=WRONG_PASSWORD)
    assert WRONG_PASSWORD not in visitor.response.text


async def test_LK_07_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = await app.open_store(tmp_path / "innkeeper.sqlite", role="serving")
    await a_world(store)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    await store.close()
    assert set(modes.values()) == {"0o600"}, modes
