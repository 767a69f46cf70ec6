"""`oauth.parameters`: everything sent is seen once and in one way, within limits."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.parameters import (
    MAX_NAME_CHARS,
    MAX_PARAMETERS,
    MAX_PARAMETERS_BYTES,
    MAX_VALUE_CHARS,
    Parameters,
)

printable = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)
pairs = st.lists(st.tuples(printable.filter(bool), printable), max_size=20)


@given(pairs, st.sampled_from([quote, quote_plus]))
def test_whatever_is_encoded_comes_back_in_order(sent: list[tuple[str, str]], how: Any) -> None:
    raw = urlencode(sent, quote_via=how).encode()
    assert Parameters.from_form(raw).pairs == tuple(sent)
    assert Parameters.from_query(raw).pairs == tuple(sent)
    assert Parameters.from_pairs(sent).pairs == tuple(sent)


@given(pairs)
def test_repetitions_are_exactly_the_names_that_came_twice(sent: list[tuple[str, str]]) -> None:
    names = [name for name, _ in sent]
    parameters = Parameters.from_pairs(sent)
    assert parameters.repeated == {name for name in names if names.count(name) > 1}
    assert parameters.names == set(names)
    for name in names:
        assert parameters.get(name) == (next(value for key, value in sent if key == name) or None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text("xyz", max_size=3)), max_size=8))
def test_json_says_the_same_as_a_form(sent: list[tuple[str, str]]) -> None:
    body = "{" + ",".join(f'"{name}":"{value}"' for name, value in sent) + "}"
    assert Parameters.from_json(body.encode()) == Parameters.from_form(urlencode(sent).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_like_the_standard_library_does_or_refused(raw: bytes) -> None:
    try:
        parameters = Parameters.from_form(raw)
    except InvalidRequest:
        return
    expected = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    assert list(parameters.pairs) == [(name, value) for name, value in expected]


@given(st.binary(max_size=200))
def test_any_json_body_is_read_or_refused_and_nothing_else_happens(raw: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        Parameters.from_json(raw)


def test_an_empty_value_is_absent_but_still_counts_as_a_repetition() -> None:
    parameters = Parameters.from_query(b"scope=&state=x&scope=")
    assert parameters.get("scope") is None
    assert parameters.repeated == {"scope"}
    assert parameters.get("missing") is None


def test_of_a_repeated_name_the_first_value_is_returned() -> None:
    assert Parameters.from_query(b"a=1&b=2&a=3").get("a") == "1"
    assert Parameters.from_json(b'{"a":"1","a":"3"}').get("a") == "1"
    assert Parameters.from_json(b'{"a":"1","a":"3"}').repeated == {"a"}


@pytest.mark.parametrize("raw", [b"", b"code=", b"Code=x", b"code[]=x"])
def test_a_missing_parameter_is_named(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the parameter code is missing"):
        Parameters.from_form(raw).require("code")


def test_require_returns_what_is_there() -> None:
    assert Parameters.from_form(b"code=x").require("code") == "x"


def test_names_are_told_apart_by_every_character() -> None:
    parameters = Parameters.from_query(
        b"redirect_uri[]=evil&redirect_uri%3B=evil&Redirect_Uri=evil&redirect_uri=good"
    )
    assert parameters.get("redirect_uri") == "good"
    assert parameters.repeated == frozenset()
    assert len(parameters.pairs) == 4


def test_an_escaped_name_is_the_same_name() -> None:
    assert Parameters.from_query(b"redirect_uri=good&redirect%5furi=evil").repeated == {"redirect_uri"}


def test_only_the_ampersand_separates() -> None:
    assert Parameters.from_query(b"a=1;b=2").pairs == (("a", "1;b=2"),)
    assert Parameters.from_query(b"&&a=1&&b").pairs == (("a", "1"), ("b", ""))
    assert Parameters.from_query(b"a=b=c").pairs == (("a", "b=c"),)


@pytest.mark.parametrize(
    "raw",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%4g",
        b"a=%u0041",
        b"a=% 41",
        b"a=%+1",
        b"%=1",
        b"a=%ff",
        b"a=%C3",
        b"a=%C3%28",
        b"a=%ED%A0%80",
        b"a=%C0%AF",
        b"a=\xff",
        b"\xc3=1",
        b"a=%00",
        b"a%00=1",
        b"a=\0",
        b"a=%0d%0aSet-Cookie:x",
        b"a=x\ty",
        b"a=%7F",
        b"a=%C2%85",
        b"state=%00",
        b"state=%1b",
        b"state=%7f",
    ],
)
def test_broken_encodings_and_control_characters_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Parameters.from_form(raw)
    with pytest.raises(InvalidRequest):
        Parameters.from_query(raw)


@pytest.mark.parametrize(
    "state",
    [
        "".join(chr(0x1F300 + number % 500) for number in range(2000)),
        "é" * 2000,
        "\u202e\u200b\u00a0 '\"<>&;=%+#\\",
        '{\n\t"next": "/a b"\r\n}',
        "a+b c%20d",
    ],
)
def test_an_odd_state_is_kept_as_it_is(state: str) -> None:
    raw = urlencode({"state": state}).encode()
    assert Parameters.from_query(raw).get("state") == state
    assert Parameters.from_json(msgspec.json.encode({"state": state})).get("state") == state


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'"a"',
        b'{"a":1}',
        b'{"a":true}',
        b'{"a":null}',
        b'{"a":NaN}',
        b'{"a":["b"]}',
        b'{"a":{"b":"c"}}',
        b'{"a":"b"}{}',
        b'{"a":"\\u0000"}',
        b'{"a":"\\ud800"}',
        b'{"\\u0007":"b"}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"b",}',
        b"a=b",
        b'{"a":' * 5000,
    ],
)
def test_json_that_is_not_a_flat_object_of_strings_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Parameters.from_json(raw)


def test_surrogates_in_pairs_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        Parameters.from_pairs([("a", "\ud800")])
    with pytest.raises(InvalidRequest):
        Parameters.from_pairs([("state", "\udfff")])


def test_the_limits_are_exact() -> None:
    many = [(f"n{number}", "") for number in range(MAX_PARAMETERS)]
    longest = [("n" * MAX_NAME_CHARS, "v" * MAX_VALUE_CHARS)]
    for allowed in (many, longest):
        assert len(Parameters.from_pairs(allowed).pairs) == len(allowed)
        assert len(Parameters.from_form(urlencode(allowed).encode()).pairs) == len(allowed)
        assert len(Parameters.from_json(msgspec.json.encode(dict(allowed))).pairs) == len(allowed)
    refused = [
        [*many, ("one", "more")],
        [("n" * (MAX_NAME_CHARS + 1), "")],
        [("n", "v" * (MAX_VALUE_CHARS + 1))],
    ]
    for sent in refused:
        with pytest.raises(InvalidRequest):
            Parameters.from_pairs(sent)
        with pytest.raises(InvalidRequest):
            Parameters.from_form(urlencode(sent).encode())
        with pytest.raises(InvalidRequest):
            Parameters.from_json(msgspec.json.encode(dict(sent)))
    for body in (b"a" * (MAX_PARAMETERS_BYTES + 1), b" " * MAX_PARAMETERS_BYTES + b"{}"):
        with pytest.raises(InvalidRequest):
            Parameters.from_form(body)
        with pytest.raises(InvalidRequest):
            Parameters.from_json(body)


@pytest.mark.parametrize(
    "raw",
    [
        b"&" * 65_000,
        b"a=1&" * 16_000,
        b"%41" * 21_000,
        b"a=" + b"%C3%A9" * 10_000,
        b"=" * 65_000,
        b"+" * 65_000,
    ],
)
def test_an_odd_body_within_the_limit_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert Parameters.from_form(raw).pairs


def test_parameters_cannot_be_changed_and_do_not_show_values() -> None:
    parameters = Parameters.from_form(b"password=hunter2&code=ik_ac_1")
    with pytest.raises(AttributeError):
        parameters.pairs = ()  # type: ignore[misc]
    assert "hunter2" not in repr(parameters)
    assert "password" in repr(parameters)
    assert hash(parameters) == hash(Parameters.from_form(b"password=hunter2&code=ik_ac_1"))
