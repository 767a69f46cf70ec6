"""The three hooks of client credentials, on literals."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.oauth.errors import InvalidScope, InvalidTarget, OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.config import Settings
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol.grants.base import Context, Nothing
from innkeeper.server.protocol.grants.client_credentials import ClientCredentials
from tests.world import ISSUER, PAYROLL, START, TIMESHEETS, a_client, apis

GRANT = ClientCredentials()
BATCH = (ApiGrant(api=TIMESHEETS, scope=("batch:upload", "read:timesheets", "gone:scope")),)


def decide(default_audience: str | None = None, **fields: str) -> Authorization:
    snapshot = RegistrySnapshot(
        epoch=1, apis={api.identifier: api for api in apis()}, roles={}, signing_keys={}
    )
    context = Context(
        client=a_client("cron", type="m2m", api_grants=BATCH),
        registry=snapshot,
        now=START,
        settings=Settings(issuer=ISSUER, default_audience=default_audience),
    )
    form = Parameters.from_pairs(fields.items())
    assert GRANT.lookup(form) == Nothing()
    decided = GRANT.decide(form, None, context)
    assert isinstance(decided, Authorization)
    assert GRANT.consume(None, decided) == Nothing()
    return decided


def test_without_scope_it_is_all_of_the_grant_that_the_api_still_has() -> None:
    assert set(decide(audience=TIMESHEETS).scope) == {"batch:upload", "read:timesheets"}


def test_with_scope_it_is_what_was_asked() -> None:
    assert tuple(decide(audience=TIMESHEETS, scope="batch:upload").scope) == ("batch:upload",)


def test_a_machine_has_no_person_no_grant_and_no_nonce() -> None:
    decided = decide(audience=TIMESHEETS)
    assert decided.user is None and decided.grant_id is None and decided.nonce is None
    assert decided.authentication is None


def test_the_api_is_named_in_one_of_three_ways() -> None:
    for decided in (decide(audience=TIMESHEETS), decide(resource=TIMESHEETS), decide(TIMESHEETS)):
        assert decided.api is not None and decided.api.identifier == TIMESHEETS


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, InvalidTarget),
        ({"audience": PAYROLL}, InvalidTarget),
        ({"audience": "https://nobody.example.test"}, InvalidTarget),
        ({"audience": TIMESHEETS, "resource": PAYROLL}, InvalidTarget),
        ({"audience": TIMESHEETS, "scope": "approve:timesheets"}, InvalidScope),
        ({"audience": TIMESHEETS, "scope": "gone:scope"}, InvalidScope),
        ({"audience": TIMESHEETS, "scope": "openid"}, InvalidScope),
        ({"audience": TIMESHEETS, "scope": "offline_access"}, InvalidScope),
    ],
)
def test_what_was_not_granted_is_refused(fields: dict[str, Any], error: type[OAuthError]) -> None:
    with pytest.raises(error):
        decide(**fields)
