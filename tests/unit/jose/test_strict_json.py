"""`jose.strict_json`: an object has one meaning or none."""

from __future__ import annotations

import pytest

from innkeeper.jose import strict_json

AMBIGUOUS = [
    b'{"a":1,"a":1}',
    b'{"a":1,"\\u0061":2}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":[{"b":1,"b":2}]}',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":1e400}',
    b"\xef\xbb\xbf{}",
    '{"a":1}'.encode("utf-16"),
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\udc00"}',
    b"{} {}",
    b"[]",
    b"1",
    b"null",
    b"",
    b"{'a':1}",
    b'{"a":' + b"1" * 5000 + b"}",
]


@pytest.mark.parametrize("raw", AMBIGUOUS)
def test_what_is_not_one_plain_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json.parse_object(raw)


@pytest.mark.parametrize("bomb", [b"[" * 60_000, b'{"a":' * 10_000, b"[" * 30_000 + b"]" * 30_000])
def test_a_nesting_bomb_is_refused(bomb: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json.parse_object(bomb)
    with pytest.raises(ValueError):
        strict_json.flat_pairs(bomb)


def test_a_plain_object_is_returned() -> None:
    assert strict_json.parse_object(' {"a": [1, {"b": null}], "c": "ü"} '.encode()) == {
        "a": [1, {"b": None}],
        "c": "ü",
    }


def test_flat_pairs_keep_order_and_repetition() -> None:
    assert strict_json.flat_pairs(b'{"b":"1","a":"2","b":"3"}') == [("b", "1"), ("a", "2"), ("b", "3")]


@pytest.mark.parametrize(
    "raw", [b'{"a":1}', b'{"a":null}', b'{"a":["x"]}', b'{"a":{"b":"c"}}', b'["a"]', b'"a"']
)
def test_flat_pairs_take_strings_only(raw: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json.flat_pairs(raw)
