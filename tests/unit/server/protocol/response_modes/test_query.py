"""response_mode=query: parameters are added, none can break out of its place."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from innkeeper.server.protocol.response_modes.query import Query


@pytest.mark.parametrize(
    ("redirect_uri", "location"),
    [
        ("https://app.example/cb", "https://app.example/cb?code=c"),
        ("https://app.example/cb?tenant=1", "https://app.example/cb?tenant=1&code=c"),
        ("https://app.example", "https://app.example?code=c"),
        ("com.example.app:/cb", "com.example.app:/cb?code=c"),
        ("http://[::1]:8000/cb", "http://[::1]:8000/cb?code=c"),
    ],
)
def test_parameters_are_added_to_what_was_registered(redirect_uri: str, location: str) -> None:
    assert Query().deliver(redirect_uri, [("code", "c")]).location == location


@pytest.mark.parametrize(
    "value",
    ["a b", "a+b", "a&code=x", "a#b", "a?b=c", "a/b", "%2f", "\r\nx: y", "\u20ac\U0001f600", "'\"<>;"],
)
def test_a_value_cannot_reach_into_its_neighbours(value: str) -> None:
    location = (
        Query().deliver("https://app.example/cb", [("state", value), ("iss", "https://id.example")]).location
    )
    assert location.isascii() and not set(location) & set(" \r\n#")
    assert parse_qsl(urlsplit(location).query) == [("state", value), ("iss", "https://id.example")]


def test_a_space_is_read_alike_by_every_parser() -> None:
    assert Query().deliver("https://a.example/", [("d", "a b")]).location.endswith("?d=a%20b")
