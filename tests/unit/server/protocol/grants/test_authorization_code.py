"""The three hooks of the code grant, on literals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.oauth import pkce
from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.config import Settings
from innkeeper.server.model import handle
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ClientId, GrantId, HandleKey, SessionId, Subject
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol.grants.authorization_code import REFUSED, AuthorizationCodeGrant
from innkeeper.server.protocol.grants.base import (
    BurnCode,
    CodeByHandle,
    Context,
    Nothing,
    RedeemCode,
    Refusal,
)
from innkeeper.server.storage.outcomes import CodeAndGrant
from tests.world import (
    EMPLOYEE,
    ISSUER,
    START,
    TIMESHEETS,
    VERIFIER,
    WEB_CALLBACK,
    a_client,
    a_user,
    apis,
    code_form,
)

GRANT = AuthorizationCodeGrant()
KEY = HandleKey(b"k" * 40)


def evidence(
    *, code: dict[str, Any] | None = None, grant: dict[str, Any] | None = None, **changes: Any
) -> CodeAndGrant:
    """A code of `web` for erin, but for what is changed."""
    issued = AuthorizationCode(
        key=KEY,
        grant_id=GrantId("g"),
        client_id=ClientId("web"),
        redirect_uri=WEB_CALLBACK,
        code_challenge=pkce.s256(VERIFIER),
        nonce="n",
        issued_at=START,
        expires_at=START + timedelta(seconds=60),
    )
    stands_on = Grant(
        grant_id=GrantId("g"),
        client_id=ClientId("web"),
        user_id=Subject("ik|erin"),
        api=None,
        scope=("openid",),
        sid=SessionId("s"),
        auth_time=START,
        amr=("pwd",),
        acr=None,
        epochs=Epochs(client_revision=1, client_epoch=1, user_epoch=1),
        created_at=START,
        expires_at=START + timedelta(hours=1),
    )
    found = CodeAndGrant(
        code=msgspec.structs.replace(issued, **(code or {})),
        grant=msgspec.structs.replace(stands_on, **(grant or {})),
        user=a_user("erin"),
        consent_epoch=0,
    )
    return msgspec.structs.replace(found, **changes)


def context(**client: Any) -> Context:
    snapshot = RegistrySnapshot(
        epoch=1,
        apis={api.identifier: api for api in apis()},
        roles={EMPLOYEE.name: EMPLOYEE},
        signing_keys={},
    )
    return Context(
        client=a_client("web", **client),
        registry=snapshot,
        now=START,
        settings=Settings(issuer=ISSUER),
    )


def form(**changes: str | None) -> Parameters:
    return Parameters.from_pairs(code_form("ik_ac_x", **changes).items())


def test_lookup_names_the_read_by_the_codes_key() -> None:
    text, key = handle.mint("ik_ac_", latest_expiry_s=1, counter=0, random=b"r" * 32)
    assert GRANT.lookup(Parameters.from_pairs([("code", text)])) == CodeByHandle(key)
    assert GRANT.lookup(form()) == CodeByHandle(None)
    with pytest.raises(InvalidRequest):
        GRANT.lookup(Parameters.from_pairs([("code", "")]))


def test_a_good_presentation_is_an_authorization_with_everything_of_the_grant() -> None:
    decided = GRANT.decide(form(), evidence(), context())
    assert isinstance(decided, Authorization)
    assert (decided.grant_id, decided.nonce, tuple(decided.scope), decided.api) == (
        "g",
        "n",
        ("openid",),
        None,
    )
    assert decided.authentication is not None and decided.authentication.sid == "s"
    assert decided.access_token_lifetime == timedelta(seconds=900)


def test_for_an_api_the_lifetime_is_the_apis_and_rights_are_todays() -> None:
    api = apis()[0]
    asked = evidence(grant={"api": TIMESHEETS, "scope": ("openid", "read:timesheets", "approve:timesheets")})
    decided = GRANT.decide(form(), asked, context())
    assert isinstance(decided, Authorization)
    assert set(decided.scope) == {"openid", "read:timesheets"}
    assert decided.access_token_lifetime == api.access_token_lifetime


@pytest.mark.parametrize("found", [None, evidence(code={"client_id": ClientId("other")})])
def test_an_unknown_or_foreign_code_is_refused_and_changes_nothing(found: CodeAndGrant | None) -> None:
    decided = GRANT.decide(form(), found, context())
    assert isinstance(decided, Refusal)
    assert decided.consumption == Nothing() and decided.error.description == REFUSED


@pytest.mark.parametrize(
    "sent",
    [
        {"redirect_uri": None},
        {"redirect_uri": WEB_CALLBACK + "/"},
        {"code_verifier": None},
        {"code_verifier": "w" * 64},
        {"code_verifier": "short"},
    ],
)
def test_a_wrong_presentation_burns_the_code(sent: dict[str, str | None]) -> None:
    decided = GRANT.decide(form(**sent), evidence(), context())
    assert isinstance(decided, Refusal)
    assert decided.consumption == BurnCode(key=KEY, grant_id=GrantId("g"))


def test_a_verifier_without_a_challenge_is_a_downgrade() -> None:
    without = evidence(code={"code_challenge": None})
    assert isinstance(GRANT.decide(form(), without, context()), Refusal)
    assert isinstance(GRANT.decide(form(code_verifier=None), without, context()), Authorization)


@pytest.mark.parametrize(
    "ended",
    [
        evidence(user=None),
        evidence(user=a_user("erin", is_enabled=False)),
        evidence(user=a_user("erin", epoch=2)),
        evidence(consent_epoch=1),
        evidence(grant={"api": "https://gone.example.test"}),
    ],
)
def test_what_has_ended_gives_nothing(ended: CodeAndGrant) -> None:
    decided = GRANT.decide(form(), ended, context())
    assert isinstance(decided, Refusal) and decided.consumption == Nothing()
    assert isinstance(GRANT.decide(form(), evidence(), context(epoch=2)), Refusal)


def test_whether_it_was_revoked_or_has_expired_is_left_to_the_transition() -> None:
    for found in (evidence(grant={"revoked_at": START}), evidence(code={"expires_at": START})):
        assert isinstance(GRANT.decide(form(), found, context()), Authorization)


def test_the_transition_stands_on_the_grants_epochs_and_todays_revision_of_the_app() -> None:
    found, today = evidence(), context(revision=7)
    decided = GRANT.decide(form(), found, today)
    assert isinstance(decided, Authorization)
    wanted = Epochs(client_revision=7, client_epoch=1, user_epoch=1)
    assert GRANT.consume(found, decided) == RedeemCode(key=KEY, grant_id=GrantId("g"), epochs=wanted)
