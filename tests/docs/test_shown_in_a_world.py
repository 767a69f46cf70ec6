"""What pages say about a running server, tried on one in this process."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.jose import base64url, strict_json
from innkeeper.server.hooks import Hooks
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.storage.memory.store import MemoryStore
from tests.attacks.token_requests import FOR_API, redeem, tokens
from tests.docs.pages import DOCS, blocks_of, table_of
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic, code_form


def shown_grant() -> Any:
    (block,) = (block for block in blocks_of(DOCS / "layout.md") if block.language == "python")
    shown: dict[str, Any] = {}
    exec(block.text, shown)
    return shown["Courier"]()


@pytest.mark.anyio
async def test_the_grant_of_the_house_page_takes_one_class_and_one_line() -> None:
    courier = shown_grant()
    world = await a_world(grants=(*GRANTS, courier))
    await world.change("cron", grant_types=(courier.name,))
    form = {"grant_type": courier.name, "audience": TIMESHEETS}
    async with world.http() as http:
        discovery = (await http.get("/.well-known/openid-configuration")).json()
        answer = await http.post("/oauth/token", data=form, headers=basic("cron"))
        stranger = await http.post("/oauth/token", data=form, headers=basic("web"))
        nobody = await http.post("/oauth/token", data=form)
    assert courier.name in discovery["grant_types_supported"]
    assert "batch:upload" in answer.json()["scope"].split()
    assert stranger.json()["error"] == "unauthorized_client"
    assert nobody.json()["error"] == "invalid_client"


@pytest.mark.anyio
async def test_the_hook_of_its_page_adds_roles_and_keeps_contractors_out() -> None:
    (block,) = (block for block in blocks_of(DOCS / "hooks.md") if block.language == "python")
    shown: dict[str, Any] = {}
    exec(block.text.replace("https://api.example.com/payroll", TIMESHEETS), shown)
    world = await a_world(hooks=Hooks(pre_token=shown["pre_token"]))
    told = strict_json.parse_object(
        base64url.decode((await tokens(world, **FOR_API))["access_token"].split(".")[1])
    )
    assert told["https://example.com/roles"] == ["Employee"]
    await world.change_user("erin", roles=("contractor", "Employee"))
    refused = await redeem(world, await Visitor(world).code(**FOR_API))
    assert refused.json() == {
        "error": "access_denied", "error_description": "Contractors have no access to payroll."
    }  # fmt: skip


@pytest.mark.anyio
async def test_events_have_the_audit_rows_that_the_page_gives_them() -> None:
    world = await a_world()
    await a_busy_day(world)
    rows = table_of(DOCS / "events.md", "type")
    kept = {row[0].strip("`") for row in rows if row[-1] == "yes"}
    written = set(audited(world))
    assert written - kept == set()
    assert {heard for heard in world.heard.types() if heard in kept} <= written
    assert {"code.issued", "code.replayed", "sign_in.succeeded", "consent.given"} <= written
    assert {"sign_in.failed", "token.issued", "token.refused"} <= set(world.heard.types())


async def a_busy_day(world: World) -> None:
    """A wrong password, a sign-in with consent, a code twice, a machine's token, a refusal."""
    visitor = Visitor(world)
    await visitor.authorize(client_id="paycheck", redirect_uri="https://web.example.test/cb")
    await visitor.sign_in(password="wrong")
    await visitor.sign_in()
    await visitor.submit("consent-allow")
    code = await Visitor(world).code()
    async with world.http() as http:
        for _ in range(2):
            await http.post("/oauth/token", data=code_form(code), headers=basic("web"))
        machine = {"grant_type": "client_credentials", "audience": TIMESHEETS}
        await http.post("/oauth/token", data=machine, headers=basic("cron"))


def audited(world: World) -> list[str]:
    store = world.services.store
    assert isinstance(store, MemoryStore)
    return [row.type for row in store._tables.audit]
