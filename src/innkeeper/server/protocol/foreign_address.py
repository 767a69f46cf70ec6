"""Addresses that others choose and that we read from: which of them are safe to ask (RFC 6890, OWASP on SSRF)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_CHARS: Final = 2048
# Names that resolvers answer from this machine or this network, whatever the world says of them.
_LOCAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet", ".corp")
# Beyond what the library calls global: translations and tunnels that lead back into a private network.
_DETOURS: Final = tuple(
    ip_network(network)
    for network in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "192.88.99.0/24",
        "::/96",
        "100::/64",
    )
)


class ForeignAddressRefused(ValueError):
    """The reason, for whoever registers the address and for the log."""


def checked(url: str, *, is_dev: bool) -> SplitResult:
    """The parts of an https address of another machine; on a development server also http on this one."""
    if len(url) > MAX_CHARS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ForeignAddressRefused("an address is printable ASCII without spaces, at most 2048 characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as cause:
        raise ForeignAddressRefused("not an address") from cause
    if parts.username is not None or parts.password is not None or "#" in url or not host:
        raise ForeignAddressRefused("an address has a host, and neither credentials nor a fragment")
    local = is_loopback_name(host)
    if parts.scheme != "https" and not (is_dev and local and parts.scheme == "http"):
        raise ForeignAddressRefused("use https")
    if local and not is_dev:
        raise ForeignAddressRefused("an address of this machine")
    if host.rstrip(".").endswith(_LOCAL_SUFFIXES) and not local:
        raise ForeignAddressRefused("a name of a private network")
    literal = _address(host)
    if literal is not None:
        check_reachable(literal, is_dev=is_dev)
    return parts


def check_reachable(address: str | IPv4Address | IPv6Address, *, is_dev: bool) -> None:
    """Raises for anything but a public unicast address: this machine, private networks, clouds' metadata."""
    found = ip_address(address) if isinstance(address, str) else address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if is_dev and found.is_loopback:
        return
    if (
        not found.is_global
        or found.is_multicast
        or found.is_reserved
        or found.is_unspecified
        or any(found.version == detour.version and found in detour for detour in _DETOURS)
    ):
        raise ForeignAddressRefused("an address that is not public")


def is_loopback_name(host: str) -> bool:
    """`localhost` and literal addresses of this machine."""
    name = host.rstrip(".")
    literal = _address(name)
    return name == "localhost" or (literal is not None and literal.is_loopback)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
