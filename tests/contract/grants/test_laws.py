"""Every member of `GRANTS` obeys the laws of the family; a new one is tested by its line in the registry."""

from __future__ import annotations

from contextlib import suppress
from typing import get_args

import msgspec
import pytest

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.config import Settings
from innkeeper.server.model.client import ClientType
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol.grants import GRANTS, PASSWORD_GRANTS
from innkeeper.server.protocol.grants.base import Context, GrantType, Nothing, Refusal
from tests.world import ISSUER, START, a_client

ALL = (*GRANTS, *PASSWORD_GRANTS)
EVERY_GRANT = pytest.mark.parametrize("grant", ALL, ids=lambda grant: grant.name)
# As much as an attacker may send beside the grant's own parameters: nothing that exists.
STRANGE = Parameters.from_pairs(
    [
        ("grant_type", "x"),
        ("code", "ik_ac_nobody"),
        ("scope", "nothing"),
        ("audience", "https://nobody.example"),
    ]
)


def a_context() -> Context:
    registry = RegistrySnapshot(epoch=1, apis={}, roles={}, signing_keys={})
    return Context(client=a_client(), registry=registry, now=START, settings=Settings(issuer=ISSUER))


def test_no_two_share_a_name() -> None:
    assert len({grant.name for grant in ALL}) == len(ALL)


@EVERY_GRANT
def test_some_type_of_client_may_have_it_and_public_ones_only_if_it_says_so(grant: GrantType) -> None:
    assert grant.client_types
    assert set(grant.client_types) <= set(get_args(ClientType))
    assert grant.allows_public_clients or not {"spa", "native"} & set(grant.client_types)


@EVERY_GRANT
def test_what_finds_nothing_proves_nothing_and_changes_nothing(grant: GrantType) -> None:
    try:
        grant.lookup(STRANGE)
        decision = grant.decide(STRANGE, None, a_context())
    except OAuthError:
        return
    assert isinstance(decision, Refusal)
    assert decision.consumption == Nothing()


@EVERY_GRANT
def test_it_reads_what_it_is_handed_and_keeps_nothing(grant: GrantType) -> None:
    before = dict(vars(grant))
    for form in (STRANGE, Parameters.from_pairs(())):
        with suppress(OAuthError):
            assert isinstance(grant.lookup(form), msgspec.Struct)
    assert vars(grant) == before
