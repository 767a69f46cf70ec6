"""A grant type that is not ours: one small class of the values that the flow understands, and one line to list it."""

from __future__ import annotations

import pytest

from innkeeper.oauth.errors import InvalidGrant
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.protocol.effective_scope import for_machine
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.protocol.grants.base import Consumption, Context, Evidence, Lookup, Nothing, Refusal
from tests.attacks.oracles import is_json_error, no_row
from tests.world import TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio


class Toy:
    """Whoever knows the word gets what their app may have."""

    name = "urn:example:params:oauth:grant-type:toy"
    allows_public_clients = False
    client_types = ("m2m",)

    def lookup(self, form: Parameters) -> Lookup:
        form.require("word")
        return Nothing()

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        if form.get("word") != "please":
            return Refusal(error=InvalidGrant("That is not the word."))
        api = context.registry.apis[TIMESHEETS]
        scope = for_machine(Scope(("batch:upload",)), api=api, client=context.client)
        lifetime = api.access_token_lifetime
        return Authorization(
            client=context.client, user=None, api=api, scope=scope, access_token_lifetime=lifetime
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        return Nothing()


@pytest.fixture
async def world() -> World:
    made = await a_world(grants=(*GRANTS, Toy()))
    await made.change("cron", grant_types=("client_credentials", Toy.name))
    return made


async def test_a_grant_type_of_somebody_else_is_answered(world: World) -> None:
    form = {"grant_type": Toy.name, "word": "please"}
    answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    assert answer.status_code == 200
    assert answer.json()["scope"] == "batch:upload"
    assert answer.json()["token_type"] == "Bearer"


async def test_it_is_listed_in_discovery(world: World) -> None:
    listed = (await world.http().get("/.well-known/openid-configuration")).json()["grant_types_supported"]
    assert listed == [*(grant.name for grant in GRANTS), Toy.name]
    without = await (await a_world()).http().get("/.well-known/openid-configuration")
    assert Toy.name not in without.json()["grant_types_supported"]


async def test_it_cannot_skip_what_every_grant_goes_through(world: World) -> None:
    form = {"grant_type": Toy.name, "word": "please"}
    with no_row(world):
        is_json_error(
            await world.http().post("/oauth/token", data=form, headers=basic("cron", "wrong")),
            401,
            "invalid_client",
        )
        is_json_error(
            await world.http().post("/oauth/token", data=form, headers=basic("web")),
            400,
            "unauthorized_client",
        )
        missing = {"grant_type": Toy.name}
        is_json_error(
            await world.http().post("/oauth/token", data=missing, headers=basic("cron")),
            400,
            "invalid_request",
        )
        wrong = form | {"word": "now"}
        is_json_error(
            await world.http().post("/oauth/token", data=wrong, headers=basic("cron")), 400, "invalid_grant"
        )


async def test_without_its_line_it_is_unknown() -> None:
    world = await a_world()
    await world.change("cron", grant_types=("client_credentials", Toy.name))
    form = {"grant_type": Toy.name, "word": "please"}
    answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    is_json_error(answer, 400, "unsupported_grant_type")
