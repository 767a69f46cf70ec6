"""What is understood of the `claims` parameter, and what is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.grant import NamedClaims
from innkeeper.server.protocol.claims_request import MAX_CLAIMS, NOTHING, ClaimsRequest, parse
from innkeeper.server.protocol.tokens import user_claims


def parsed(**members: Any) -> ClaimsRequest:
    return parse(json.dumps(members))


def test_without_the_parameter_nothing_is_asked_for() -> None:
    assert parse(None) is NOTHING and parse("{}") == NOTHING


def test_what_is_known_is_kept_in_its_place_and_order() -> None:
    request = parsed(
        userinfo={"email": None, "unknown": None, "name": {"essential": True}},
        id_token={"phone_number": {}, "acr": None, "sub": None},
    )
    assert request.named == NamedClaims(userinfo=("email", "name"), id_token=("phone_number",))
    assert (request.subjects, request.acr) == (None, None)


@pytest.mark.parametrize("name", user_claims.SCOPE_OF_CLAIM)
def test_every_claim_is_asked_for_in_the_words_of_its_scope(name: str) -> None:
    assert parsed(userinfo={name: None}).scope == Scope((user_claims.SCOPE_OF_CLAIM[name],))


@pytest.mark.parametrize(
    ("places", "subjects"),
    [
        ({"id_token": {"value": "a"}}, {"a"}),
        ({"userinfo": {"values": ["a", "b"]}}, {"a", "b"}),
        ({"id_token": {"values": ["a", "b"]}, "userinfo": {"value": "b"}}, {"b"}),
        ({"id_token": {"value": "a"}, "userinfo": {"value": "b"}}, set()),
        ({"id_token": {"values": []}}, set()),
        ({"id_token": {"essential": True}}, None),
    ],
)
def test_a_subject_with_a_value_is_a_condition(places: dict[str, Any], subjects: set[str] | None) -> None:
    assert parsed(**{place: {"sub": how} for place, how in places.items()}).subjects == subjects


@pytest.mark.parametrize(
    ("how", "acr"),
    [
        ({"value": "1"}, None),
        ({"essential": False, "value": "1"}, None),
        ({"essential": True}, ()),
        ({"essential": True, "value": "1"}, ("1",)),
        ({"essential": True, "values": ["2", "1"]}, ("2", "1")),
    ],
)
def test_only_an_essential_acr_is_a_condition(how: dict[str, Any], acr: tuple[str, ...] | None) -> None:
    assert parsed(id_token={"acr": how}).acr == acr
    assert parsed(userinfo={"acr": how}).acr is None, "userinfo states none"


def test_the_number_of_claims_is_bounded_exactly() -> None:
    most = {f"k{number}": None for number in range(MAX_CLAIMS)}
    assert parsed(userinfo=most) == NOTHING
    with pytest.raises(InvalidRequest):
        parsed(userinfo=most, id_token={"one": None})


def test_the_depth_is_bounded_exactly() -> None:
    def nested(depth: int) -> str:
        return '{"a":' * depth + "1" + "}" * depth

    assert parse(nested(8)) == NOTHING
    with pytest.raises(InvalidRequest):
        parse(nested(10))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(("id_token", "userinfo", "sub", "acr", "email", "value", "values", "essential"))


@given(st.dictionaries(words, st.dictionaries(words, st.dictionaries(words, json_values) | json_values)))
def test_any_json_is_understood_or_refused_and_never_a_bug(members: dict[str, Any]) -> None:
    try:
        request = parse(json.dumps(members))
    except InvalidRequest:
        return
    assert set(request.named.id_token + request.named.userinfo) <= set(user_claims.SCOPE_OF_CLAIM)


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        parse(text)
