"""The three hooks of the refresh grant, on literals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.oauth.errors import InvalidRequest, InvalidScope, InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.config import Settings
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ClientId, GrantId, SessionId, Subject
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol.grants.base import (
    Context,
    FamilyByHandle,
    Nothing,
    PresentedFamily,
    Refusal,
    RotateFamily,
)
from innkeeper.server.protocol.grants.refresh_token import REFUSED, RefreshTokenGrant
from innkeeper.server.protocol.tokens.refresh_token import RefreshToken
from innkeeper.server.storage.outcomes import FamilyAndGrant
from tests.world import EMPLOYEE, ISSUER, PAYROLL, START, TIMESHEETS, a_client, a_user, apis

GRANT = RefreshTokenGrant()
SCOPE = ("openid", "read:timesheets", "create:timesheets", "offline_access")
TOKEN = RefreshToken(mac_key_id=1, order=b"o" * 8, random=b"r" * 32, generation=3)
GRANTS = ("authorization_code", "refresh_token")


def evidence(
    *, family: dict[str, Any] | None = None, grant: dict[str, Any] | None = None, **changes: Any
) -> PresentedFamily:
    """A token of `web` for erin and the timesheets, but for what is changed."""
    row = RefreshFamily(
        key=TOKEN.key,
        grant_id=GrantId("g"),
        client_id=ClientId("web"),
        user_id=Subject("ik|erin"),
        scope=SCOPE,
        is_rotating=True,
        generation=3,
        issued_at=START,
        idle_expires_at=START + timedelta(days=14),
        absolute_expires_at=START + timedelta(days=90),
        mac_key_id=1,
    )
    stands_on = Grant(
        grant_id=GrantId("g"),
        client_id=ClientId("web"),
        user_id=Subject("ik|erin"),
        api=TIMESHEETS,
        scope=SCOPE,
        sid=SessionId("s"),
        auth_time=START - timedelta(days=1),
        amr=("pwd",),
        acr=None,
        epochs=Epochs(client_revision=1, client_epoch=1, user_epoch=1),
        created_at=START,
        expires_at=START + timedelta(days=90),
    )
    found = FamilyAndGrant(
        family=replace(row, **(family or {})),
        grant=replace(stands_on, **(grant or {})),
        user=a_user("erin"),
        consent_epoch=0,
    )
    return PresentedFamily(token=TOKEN, found=replace(found, **changes))


def context(*, now: timedelta = timedelta(), **client: Any) -> Context:
    snapshot = RegistrySnapshot(
        epoch=1,
        apis={api.identifier: api for api in apis()},
        roles={EMPLOYEE.name: EMPLOYEE},
        signing_keys={},
    )
    return Context(
        client=a_client("web", **({"grant_types": GRANTS} | client)),
        registry=snapshot,
        now=START + now,
        settings=Settings(issuer=ISSUER, default_audience=PAYROLL),
    )


def form(**parameters: str) -> Parameters:
    return Parameters.from_pairs(({"refresh_token": "ik_rt_x"} | parameters).items())


def is_refused(decided: Authorization | Refusal) -> bool:
    """With the one text, and without any consequence."""
    return (
        isinstance(decided, Refusal)
        and decided.error.description == REFUSED
        and decided.consumption == Nothing()
    )


def test_lookup_names_the_text_and_nothing_else() -> None:
    assert GRANT.lookup(form()) == FamilyByHandle("ik_rt_x")
    with pytest.raises(InvalidRequest):
        GRANT.lookup(Parameters.from_pairs([("refresh_token", "")]))


def test_a_good_presentation_has_the_whole_grant_the_first_sign_in_and_no_nonce() -> None:
    decided = GRANT.decide(form(), evidence(), context())
    assert isinstance(decided, Authorization)
    assert tuple(decided.scope) == SCOPE
    assert decided.nonce is None and not decided.begins_family
    assert decided.authentication is not None
    assert decided.authentication.auth_time == START - timedelta(days=1)


@pytest.mark.parametrize(
    "found",
    [
        None,
        evidence(family={"client_id": ClientId("other")}),
        evidence(user=None),
        evidence(user=a_user("erin", is_enabled=False)),
        evidence(consent_epoch=1),
        evidence(grant={"api": "https://gone.example.test"}),
    ],
)
def test_what_is_unknown_foreign_or_ended_is_refused_alike(found: PresentedFamily | None) -> None:
    assert is_refused(GRANT.decide(form(), found, context()))


def test_rights_are_those_of_today() -> None:
    decided = GRANT.decide(form(), evidence(user=a_user("erin", roles=())), context())
    assert isinstance(decided, Authorization)
    assert tuple(decided.scope) == ("openid", "offline_access")
    assert is_refused(GRANT.decide(form(), evidence(), context(grant_types=("authorization_code",))))


def test_narrower_is_given_wider_is_not() -> None:
    decided = GRANT.decide(form(scope="read:timesheets"), evidence(), context())
    assert isinstance(decided, Authorization) and tuple(decided.scope) == ("read:timesheets",)
    for wider in ("profile", "openid delete:timesheets"):
        with pytest.raises(InvalidScope):
            GRANT.decide(form(scope=wider), evidence(), context())


def test_the_api_may_be_repeated_and_never_changed() -> None:
    assert isinstance(GRANT.decide(form(audience=TIMESHEETS), evidence(), context()), Authorization)
    with pytest.raises(InvalidTarget):
        GRANT.decide(form(resource=PAYROLL), evidence(), context())


@pytest.mark.parametrize(
    ("policy", "now", "ends"),
    [
        ({"idle": timedelta(hours=1)}, timedelta(minutes=59), False),
        ({"idle": timedelta(hours=1)}, timedelta(hours=1), True),
        ({"absolute": timedelta(hours=5), "idle": timedelta(hours=5)}, timedelta(hours=5), True),
    ],
)
def test_a_shorter_lifetime_holds_for_what_was_issued_before(
    policy: dict[str, Any], now: timedelta, ends: bool
) -> None:
    today = context(now=now, refresh=RefreshPolicy(**policy))
    assert is_refused(GRANT.decide(form(), evidence(), today)) is ends


def test_the_rotation_follows_the_policy_of_the_app() -> None:
    policy = RefreshPolicy(rotation=False, overlap=timedelta(seconds=3), idle=timedelta(days=2))
    decided = GRANT.decide(form(), evidence(), context(refresh=policy, revision=9))
    assert isinstance(decided, Authorization)
    assert GRANT.consume(evidence(), decided) == RotateFamily(
        token=TOKEN,
        grant_id=GrantId("g"),
        epochs=Epochs(client_revision=9, client_epoch=1, user_epoch=1),
        was_living=True,
        overlap=timedelta(seconds=3),
        is_rotating=False,
        idle=timedelta(days=2),
    )


@pytest.mark.parametrize(("generation", "was_living"), [(2, False), (3, True), (4, False)])
def test_the_transition_hears_what_was_living_when_it_was_read(generation: int, was_living: bool) -> None:
    found = evidence(family={"generation": generation})
    decided = GRANT.decide(form(), found, context())
    assert isinstance(decided, Authorization)
    rotation = GRANT.consume(found, decided)
    assert isinstance(rotation, RotateFamily) and rotation.was_living is was_living
