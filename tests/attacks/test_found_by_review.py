"""What a hostile reader of the code found, each with the way in that it had."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import msgspec
import pytest

from innkeeper.server.config import Settings
from innkeeper.server.flows.services import Busy
from innkeeper.server.model.events import TokenRefused
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.observe.log import MAX_LINE_BYTES, EventLog
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web import connection
from innkeeper.server.web.cookies import browser_cookie_name
from tests.attacks.oracles import no_row
from tests.attacks.raw_http import GET, Listening, a_front
from tests.visitor import Visitor
from tests.world import START, TIMESHEETS, World, a_world

SETTINGS = Settings(issuer="https://id.example.test")


# ------------------------------------------------------------ the registry


async def _disable(world: World, client_id: str) -> None:
    """As another process does: the server has not noticed yet."""
    store = world.services.store
    client = await store.clients.get(ClientId(client_id))
    assert client is not None
    await store.clients.replace(msgspec.structs.replace(client, is_enabled=False), events=())


async def _is_enabled(world: World, client_id: str) -> bool:
    client = await world.services.registry.client(client_id)
    return client is not None and client.is_enabled


@pytest.mark.anyio
async def test_an_app_that_is_disabled_while_the_registry_is_read_is_not_believed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world()
    registry, stored = world.services.registry, world.services.store.registry
    assert await _is_enabled(world, "web") and await _is_enabled(world, "cron")
    whole_snapshot = stored.snapshot

    async def overtaken() -> RegistrySnapshot:
        monkeypatch.setattr(stored, "snapshot", whole_snapshot)
        await _disable(world, "cron")
        return await whole_snapshot()

    monkeypatch.setattr(stored, "snapshot", overtaken)
    await _disable(world, "web")
    await registry.refresh()
    await registry.refresh()
    assert not await _is_enabled(world, "web")
    assert not await _is_enabled(world, "cron")


@pytest.mark.anyio
async def test_a_disabled_app_is_out_even_while_the_registry_cannot_be_read_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world()
    assert await _is_enabled(world, "cron")

    async def away() -> RegistrySnapshot:
        raise StoreUnavailable("scans fail")

    monkeypatch.setattr(world.services.store.registry, "snapshot", away)
    await _disable(world, "cron")
    with pytest.raises(StoreUnavailable):
        await world.services.registry.refresh()
    assert not await _is_enabled(world, "cron")


@pytest.mark.anyio
async def test_a_slow_refresh_does_not_undo_a_faster_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()
    registry, stored = world.services.registry, world.services.store.registry
    whole_snapshot = stored.snapshot

    async def slow() -> RegistrySnapshot:
        old = await whole_snapshot()
        monkeypatch.setattr(stored, "snapshot", whole_snapshot)
        await _disable(world, "cron")
        await registry.refresh()
        return old

    monkeypatch.setattr(stored, "snapshot", slow)
    await _disable(world, "web")
    await registry.refresh()
    assert registry.snapshot.epoch == (await whole_snapshot()).epoch


# ------------------------------------------------------------ the question and the answer


@pytest.mark.anyio
async def test_an_answer_counts_for_the_boxes_that_were_shown_and_for_no_others() -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize(
        client_id="paycheck", scope="openid read:timesheets create:timesheets", audience=TIMESHEETS
    )
    await visitor.sign_in("carl")
    assert visitor.page.scopes == ["openid"]
    await world.change_user("carl", roles=("Employee",))
    await visitor.submit("consent-allow")
    assert visitor.page.scopes == ["openid", "read:timesheets", "create:timesheets"]
    await visitor.submit("consent-allow", untick=("create:timesheets",))
    assert "code" in visitor.answer()


@pytest.mark.anyio
async def test_a_confirmation_is_not_a_consent() -> None:
    world = await a_world()
    native = {"client_id": "native", "redirect_uri": "http://127.0.0.1:5123/callback", "scope": "openid"}
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(**native)
    assert visitor.page.scopes == []
    await world.change("native", is_first_party=False)
    await visitor.submit("consent-allow")
    assert visitor.page.scopes == ["openid"]
    await visitor.submit("consent-allow")
    assert "code" in visitor.answer()


@pytest.mark.anyio
@pytest.mark.parametrize("scope", ["", "nothing:known", "profile"])
@pytest.mark.parametrize("prompt", [None, "none"])
async def test_a_third_party_learns_nobody_by_asking_for_nothing(scope: str, prompt: str | None) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(client_id="paycheck", scope=scope, audience=TIMESHEETS, prompt=prompt)
    assert visitor.answer()["error"] == "access_denied"


@pytest.mark.anyio
async def test_allowing_with_every_box_empty_allows_nothing() -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(client_id="paycheck", scope="read:timesheets", audience=TIMESHEETS)
    with no_row(world):
        await visitor.submit("consent-allow", untick=("read:timesheets",))
    assert visitor.answer()["error"] == "access_denied"
    await visitor.authorize(client_id="paycheck", scope="read:timesheets", audience=TIMESHEETS)
    assert visitor.page.scopes == ["read:timesheets"]


# ------------------------------------------------------------ signing in


@pytest.mark.anyio
async def test_an_empty_browser_cookie_is_replaced() -> None:
    world = await a_world()
    visitor = Visitor(world)
    name = browser_cookie_name(SETTINGS)
    visitor.http.cookies.set(name, "", domain="id.example.test")
    await visitor.authorize()
    await visitor.sign_in()
    assert "code" in visitor.answer()


@pytest.mark.anyio
async def test_a_full_queue_does_not_refuse_a_right_password_for_its_old_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize()

    async def full(password: str) -> str:
        raise Busy("full")

    async def right(known: str | None, password: str) -> bool:
        return True

    monkeypatch.setattr(world.passwords, "verify", right)
    monkeypatch.setattr(world.passwords, "needs_rehash", lambda known: True)
    monkeypatch.setattr(world.passwords, "hash", full)
    await visitor.sign_in()
    assert "code" in visitor.answer()


# ------------------------------------------------------------ connections and memory


def test_line_breaks_before_a_request_do_not_hold_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.3)
    with Listening(a_front(SETTINGS)) as listening:
        for breaks in (b"\r\n", b"\n", b"\r\n" * 50):
            reply = listening.ask(breaks)
            assert (reply.data, reply.was_closed) == (b"", True)
        assert listening.ask(b"\r\n" + GET + b"\r\n").statuses == [200]


def test_a_line_break_now_and_then_does_not_hold_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.3)
    with Listening(a_front(SETTINGS)) as listening:
        began = time.monotonic()
        with listening.connect() as client, suppress(ConnectionError):
            while time.monotonic() - began < 3:
                client.sendall(b"\r\n")
                time.sleep(0.05)
        assert time.monotonic() - began < 2


def test_lines_wait_for_a_stuck_reader_in_their_bounded_form() -> None:
    written: list[bytes] = []
    log = EventLog(written.append)
    log._is_awake = True  # nobody writes until we say so
    for _ in range(3):
        refused = TokenRefused(
            at=START,
            correlation_id="c1",
            client_id="x" * 32_000,
            ip="203.0.113.7",
            error="invalid_client",
            detail="",
        )
        log.emit(refused)
    assert all(len(line) <= MAX_LINE_BYTES for line in log._waiting)
    log.flush()
    [first, *_] = written[0].splitlines()
    assert json.loads(first)["type"] == "token.refused"
