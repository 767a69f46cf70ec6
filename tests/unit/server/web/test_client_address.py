"""Whose address a request counts on."""

from __future__ import annotations

import pytest

from innkeeper.server.web.client_address import AddressReader

PROXY = "10.0.0.1"


def address(peer: str, *forwarded: str, trusted: tuple[str, ...] = ("10.0.0.0/8", "fd00::/8")) -> str:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return AddressReader(trusted).address(peer, [(b"host", b"x"), *headers])


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert address("203.0.113.9", "198.51.100.1", trusted=()) == "203.0.113.9"


def test_HT_02_a_stranger_is_not_believed() -> None:
    assert address("203.0.113.9", "198.51.100.1") == "203.0.113.9"


def test_a_trusted_proxy_is_believed() -> None:
    assert address(PROXY, "198.51.100.1") == "198.51.100.1"
    assert address("fd00::1", "2001:db8::1") == "2001:db8::1"
    assert address("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"


def test_BF_07_what_the_client_wrote_itself_stands_left_and_is_not_read() -> None:
    assert address(PROXY, "192.0.2.66, 198.51.100.1") == "198.51.100.1"
    assert address(PROXY, "192.0.2.66", "198.51.100.1") == "198.51.100.1"


def test_a_chain_of_our_own_proxies_is_passed_through() -> None:
    assert address(PROXY, "198.51.100.1, 10.0.0.3, 10.0.0.2") == "198.51.100.1"


def test_a_request_that_began_at_a_proxy_counts_on_the_first_of_them() -> None:
    assert address(PROXY, "10.0.0.3, 10.0.0.2") == "10.0.0.3"
    assert address(PROXY) == PROXY


@pytest.mark.parametrize(
    "garbage",
    ["", "unknown", "' OR 1=1", "<script>", "_hidden", "1.2.3.4.5", "a" * 5000, "\xff", "999.1.1.1", ",,,"],
)
def test_HT_14_garbage_is_dropped(garbage: str) -> None:
    assert address(PROXY, garbage) == PROXY
    assert address(PROXY, f"{garbage}, 198.51.100.1") == "198.51.100.1"
    assert address(PROXY, f"198.51.100.1, {garbage}, 10.0.0.2") == "10.0.0.2"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        (" 198.51.100.1 ", "198.51.100.1"),
    ],
)
def test_every_way_to_write_an_address_is_read(written: str, meant: str) -> None:
    assert address(PROXY, written) == meant


def test_DO_02_a_thousand_hops_are_not_followed() -> None:
    assert address(PROXY, ", ".join(["198.51.100.1"] + ["10.0.0.2"] * 1000)) == "10.0.0.2"


def test_a_peer_without_address_is_nobody() -> None:
    assert address("", "198.51.100.1") == ""
