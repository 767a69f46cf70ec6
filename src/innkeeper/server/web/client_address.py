"""Whose address a request counts on: the peer's, or what a trusted proxy vouches for (HT-02, BF-07)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_MAX_HOPS: Final = 32


class AddressReader:
    """`trusted_proxies` are addresses or networks; empty: forwarded headers are not read at all."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._networks = tuple(ip_network(network, strict=False) for network in trusted_proxies)
        self._is_trusted = lru_cache(maxsize=1024)(self._is_in_a_network)

    def address(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The rightmost address that no trusted proxy owns; what stands left of it anyone may write."""
        if not self._networks or not self._is_trusted(peer):
            return peer
        hops = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
        vouched = peer
        for hop in reversed(hops.split(",")[-_MAX_HOPS:]):
            parsed = _parse(hop)
            if parsed is None:
                break
            vouched = str(parsed)
            if not self._is_trusted(vouched):
                break
        return vouched

    def _is_in_a_network(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """`1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else (HT-14)."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
