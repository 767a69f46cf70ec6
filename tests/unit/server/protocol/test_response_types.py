"""Which response types are on, whose they are, and where their answers go."""

from __future__ import annotations

import pytest

from innkeeper.oauth.response_type import LEGAL, ResponseType
from innkeeper.server.config import LegacyFlows
from innkeeper.server.protocol import response_types
from innkeeper.server.protocol.response_types import RESPONSE_TYPES

BOTH = ("authorization_code", "implicit")


@pytest.mark.parametrize(
    ("implicit", "tokens", "offered"),
    [
        (False, False, {"code", "code id_token"}),
        (True, False, {"code", "code id_token", "id_token"}),
        (False, True, {"code", "code id_token", "code token", "code id_token token"}),
        (True, True, set(RESPONSE_TYPES)),
    ],
)
def test_the_settings_decide_what_is_offered(implicit: bool, tokens: bool, offered: set[str]) -> None:
    legacy = LegacyFlows(implicit=implicit, front_channel_access_tokens=tokens)
    assert set(response_types.offered(legacy)) == offered


def test_a_token_alone_is_never_offered() -> None:
    assert set(LEGAL) - set(RESPONSE_TYPES) == {"token", "none"}


@pytest.mark.parametrize(
    ("grant_types", "held"),
    [
        ((), set()),
        (("client_credentials", "refresh_token"), set()),
        (("authorization_code",), {"code"}),
        (("implicit",), {"id_token", "id_token token"}),
        (BOTH, set(RESPONSE_TYPES)),
    ],
)
def test_the_grants_of_an_app_decide_what_it_may_use(grant_types: tuple[str, ...], held: set[str]) -> None:
    assert set(response_types.of_client(grant_types, is_first_party=True)) == held


def test_a_third_party_has_code_alone_whatever_its_record_says() -> None:
    assert response_types.of_client(BOTH, is_first_party=False) == ("code",)


@pytest.mark.parametrize("text", [*LEGAL, "token id_token", "id_token code", "x", "", None, "code code"])
def test_an_answer_with_tokens_goes_into_the_fragment(text: str | None) -> None:
    words = set((text or "").split())
    has_tokens = bool(words & {"token", "id_token"})
    assert response_types.default_mode(text) == ("fragment" if has_tokens else "query")
    assert response_types.carries_tokens(text) == has_tokens


def test_every_type_names_its_grants() -> None:
    needed = {value: set(response_types.grants_for(ResponseType(value))) for value in RESPONSE_TYPES}
    assert needed["code"] == {"authorization_code"}
    assert needed["id_token"] == needed["id_token token"] == {"implicit"}
    for value in ("code id_token", "code token", "code id_token token"):
        assert needed[value] == set(BOTH)
