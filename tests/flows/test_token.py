"""The token flow: its fixed order, what is committed when a step fails, what each grant costs the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from innkeeper.oauth.errors import InvalidGrant, OAuthError, TemporarilyUnavailable
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import token as flow
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.keys import KeyRing, NoSigningKey
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.protocol.grants.base import Consumption, Context, Evidence, Lookup, Nothing, Refusal
from innkeeper.server.storage.outcomes import Stale, StoreUnavailable
from tests.attacks.oracles import no_row
from tests.attacks.token_requests import FOR_API, redeem, tables, tokens, userinfo
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic, code_form

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_world()


def a_request(form: dict[str, str], authorization: str | None = None) -> ClientRequest:
    sent = () if authorization is None else (authorization,)
    return ClientRequest(
        form=Parameters.from_pairs(form.items()),
        authorization=sent,
        origin=None,
        address="203.0.113.7",
        correlation_id="c",
    )


# ------------------------------------------------------------ the order


class Spy:
    """A grant type that notes what is asked of it, and fails where it is told to."""

    name = "urn:example:spy"
    allows_public_clients = False
    client_types = ()

    def __init__(self, fails_at: str = "") -> None:
        self.seen: list[str] = []
        self._fails_at = fails_at

    def lookup(self, form: Parameters) -> Lookup:
        self._note("lookup")
        return Nothing()

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        self._note("decide")
        api = context.registry.apis[TIMESHEETS]
        return Authorization(
            client=context.client,
            user=None,
            api=api,
            scope=Scope(("batch:upload",)),
            access_token_lifetime=api.access_token_lifetime,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        self._note("consume")
        return Nothing()

    def _note(self, step: str) -> None:
        self.seen.append(step)
        if step == self._fails_at:
            raise InvalidGrant("as told")


async def with_spy(fails_at: str = "") -> tuple[World, Spy]:
    spy = Spy(fails_at)
    world = await a_world(grants=(*GRANTS, spy))
    await world.change("web", grant_types=("authorization_code", spy.name))
    return world, spy


async def test_a_failed_authentication_comes_before_everything() -> None:
    world, spy = await with_spy()
    with pytest.raises(OAuthError, match="invalid_client"):
        await flow.exchange(a_request({"grant_type": spy.name, "client_id": "web"}), world.services)
    with pytest.raises(OAuthError, match="invalid_client"):
        await flow.exchange(a_request({"grant_type": "nothing", "client_id": "web"}), world.services)
    assert spy.seen == []


async def test_an_app_that_may_not_use_the_grant_does_not_reach_it() -> None:
    world, spy = await with_spy()
    asked = a_request({"grant_type": spy.name}, basic("other")["authorization"])
    with pytest.raises(OAuthError, match="unauthorized_client"):
        await flow.exchange(asked, world.services)
    assert spy.seen == []


async def test_an_unknown_grant_type_has_its_own_error(world: World) -> None:
    with pytest.raises(OAuthError, match="unsupported_grant_type"):
        await flow.exchange(a_request({"grant_type": "x"}, basic("web")["authorization"]), world.services)


async def test_the_hooks_are_called_once_each_in_order() -> None:
    world, spy = await with_spy()
    answer = await flow.exchange(
        a_request({"grant_type": spy.name}, basic("web")["authorization"]), world.services
    )
    assert spy.seen == ["lookup", "decide", "consume"]
    assert answer.scope == "batch:upload"
    assert world.heard.types() == ["token.issued"]


@pytest.mark.parametrize(
    ("fails_at", "seen"),
    [
        ("lookup", ["lookup"]),
        ("decide", ["lookup", "decide"]),
        ("consume", ["lookup", "decide", "consume"]),
    ],
)
async def test_a_step_that_fails_is_the_last_one(fails_at: str, seen: list[str]) -> None:
    world, spy = await with_spy(fails_at)
    with no_row(world), pytest.raises(OAuthError, match="invalid_grant"):
        await flow.exchange(
            a_request({"grant_type": spy.name}, basic("web")["authorization"]), world.services
        )
    assert spy.seen == seen
    assert world.heard.types() == ["token.refused"]


# ------------------------------------------------------------ what is committed when a step fails


async def test_a_missing_signing_key_costs_nobody_their_code(world: World) -> None:
    code = await Visitor(world).code()
    without_keys = dataclasses.replace(world.services, keys=KeyRing(world.services.at_rest))
    with no_row(world), pytest.raises(NoSigningKey):
        await flow.exchange(a_request(code_form(code), basic("web")["authorization"]), without_keys)
    assert (await redeem(world, code)).status_code == 200


async def test_a_refusal_is_committed_before_its_answer(world: World) -> None:
    code = await Visitor(world).code()
    store: Any = world.services.store
    store.codes = Overridden(store.codes, burn=unavailable)
    answer = await redeem(world, code, code_verifier="w" * 64)
    assert answer.status_code == 503  # never an answer that says more than what was committed
    assert "code.burnt" not in world.heard.types()


async def test_a_store_that_is_away_at_the_transition_issues_nothing(world: World) -> None:
    code = await Visitor(world).code()
    store: Any = world.services.store
    codes = store.codes
    store.codes = Overridden(codes, redeem=unavailable)
    answer = await redeem(world, code)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["error"] == "temporarily_unavailable"
    store.codes = codes
    assert (await redeem(world, code)).status_code == 200


async def test_a_lost_answer_does_not_convict_itself_as_a_replay(world: World) -> None:
    code = await Visitor(world).code()
    store: Any = world.services.store
    store.lose_next_answer()
    answer = await redeem(world, code)
    assert answer.status_code == 200
    assert (await userinfo(world, answer.json()["access_token"])).status_code == 200


class Overridden:
    """The codes of a store, but for some methods."""

    def __init__(self, codes: Any, **methods: Callable[..., Awaitable[Any]]) -> None:
        self._codes = codes
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._codes, name)


async def unavailable(*_: Any, **__: Any) -> None:
    raise StoreUnavailable("away")


# ------------------------------------------------------------ stale decisions


async def test_what_keeps_changing_is_decided_three_times_and_then_put_off(world: World) -> None:
    code = await Visitor(world).code()
    store: Any = world.services.store
    tries: list[bytes] = []

    async def stale(*_: Any, attempt: bytes, **__: Any) -> Stale:
        tries.append(attempt)
        return Stale()

    store.codes = Overridden(store.codes, redeem=stale)
    with no_row(world):
        answer = await redeem(world, code)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["error"] == TemporarilyUnavailable.code
    assert len(tries) == 3 and len(set(tries)) == 1


async def test_a_change_that_does_not_matter_is_decided_again_and_succeeds(world: World) -> None:
    code = await Visitor(world).code()
    await redeem(world, "ik_ac_x")  # the server has the app in its cache
    client = await world.services.store.clients.get("web")  # type: ignore[arg-type]
    assert client is not None
    renamed = msgspec.structs.replace(client, name="Another name")
    await world.services.store.clients.replace(renamed, events=())
    assert (await redeem(world, code)).status_code == 200


async def test_a_rotated_secret_is_noticed_when_it_is_decided_again(world: World) -> None:
    code = await Visitor(world).code()
    await redeem(world, "ik_ac_x")
    client = await world.services.store.clients.get("web")  # type: ignore[arg-type]
    assert client is not None
    await world.services.store.clients.replace(msgspec.structs.replace(client, secrets=()), events=())
    answer = await redeem(world, code)
    assert answer.status_code == 401 and answer.json()["error"] == "invalid_client"
    assert not tables(world).access_tokens


# ------------------------------------------------------------ exact costs


async def cost(world: World, work: Callable[[], Awaitable[Any]]) -> tuple[int, int]:
    """Reads and transitions."""
    counters = world.services.store.counters  # type: ignore[attr-defined]
    reads, transitions = counters.reads, counters.transitions
    await work()
    return counters.reads - reads, counters.transitions - transitions


async def test_client_credentials_cost_no_read_and_no_transition_once_the_app_is_known(world: World) -> None:
    async def ask() -> None:
        form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
        answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
        assert answer.status_code == 200

    assert await cost(world, ask) == (1, 0)
    assert await cost(world, ask) == (0, 0)


@pytest.mark.parametrize("kind", [{}, FOR_API], ids=["opaque", "jwt"])
async def test_a_code_costs_one_read_and_one_transition(world: World, kind: dict[str, Any]) -> None:
    code = await Visitor(world).code(**kind)
    assert await cost(world, lambda: redeem(world, code)) == (1, 1)
    assert await cost(world, lambda: redeem(world, code)) == (1, 1)


async def test_a_refused_code_costs_one_read(world: World) -> None:
    code = await Visitor(world).code()
    await redeem(world, "ik_ac_x", "other")
    assert await cost(world, lambda: redeem(world, code, "other")) == (1, 0)
    assert await cost(world, lambda: redeem(world, "no code at all")) == (0, 0)


@pytest.mark.parametrize("kind", [{}, FOR_API], ids=["opaque", "jwt"])
async def test_userinfo_costs_one_read(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    assert await cost(world, lambda: userinfo(world, token)) == (1, 0)
