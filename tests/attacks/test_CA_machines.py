"""Attacks on the grants of machines: public apps, scopes and APIs that were not granted, passwords."""

from __future__ import annotations

import httpx2
import pytest

from tests.attacks.oracles import is_json_error, keeps_secrets, no_row
from tests.world import PAYROLL, TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio
MACHINE = {"grant_type": "client_credentials", "audience": TIMESHEETS}


@pytest.fixture
async def world() -> World:
    return await a_world()


async def ask(
    world: World, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await world.http().post("/oauth/token", data=MACHINE | (form or {}), headers=headers or {})


async def test_CA_14_a_public_app_gets_no_machine_token(world: World) -> None:
    await world.change("spa", grant_types=("authorization_code", "client_credentials"))
    is_json_error(await ask(world, {"client_id": "spa"}), 400, "unauthorized_client")


async def test_CA_14_an_app_without_the_grant_type_is_refused(world: World) -> None:
    is_json_error(await ask(world, headers=basic("web")), 400, "unauthorized_client")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "approve:timesheets"}, "invalid_scope"),
        ({"scope": "batch:upload approve:timesheets"}, "invalid_scope"),
        ({"scope": "batch:uploads"}, "invalid_scope"),
        ({"scope": "BATCH:UPLOAD"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": "batch:upload offline_access"}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"audience": PAYROLL}, "invalid_target"),
        ({"audience": "https://nobody.example.test"}, "invalid_target"),
        ({"audience": ""}, "invalid_target"),
        ({"audience": TIMESHEETS + "/"}, "invalid_target"),
        ({"resource": PAYROLL}, "invalid_target"),
    ],
)
async def test_CA_14_a_machine_gets_nothing_beyond_its_grant(
    world: World, changes: dict[str, str], error: str
) -> None:
    with no_row(world):
        is_json_error(await ask(world, changes, basic("cron")), 400, error)


async def test_CA_14_a_machine_gets_an_access_token_and_nothing_else(world: World) -> None:
    with no_row(world):
        answer = await ask(world, headers=basic("cron"))
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json()["scope"].split() == ["batch:upload", "read:timesheets"]


async def test_CA_16_the_password_grant_does_not_exist(world: World) -> None:
    form = {"grant_type": "password", "username": "erin", "password": "correct horse battery staple"}
    answer = await world.http().post("/oauth/token", data=form, headers=basic("web"))
    is_json_error(answer, 400, "unsupported_grant_type")
    assert world.passwords.verified == []
    keeps_secrets(world)
