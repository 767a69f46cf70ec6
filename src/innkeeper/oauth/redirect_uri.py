"""`redirect_uri`: what may be registered, and what matches (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

MAX_URI_CHARS: Final = 2048
Platform = Literal["web", "loopback", "private_use"]

_LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
_SCRIPT_SCHEMES: Final = ("javascript", "data", "vbscript", "file", "blob", "about")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
# The whole of a loopback redirect that may differ in its port, and only there: nothing is parsed twice.
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)", re.DOTALL)
# RFC 3986 Appendix A, without `#`, and with every percent sign followed by two digits.
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_PARTS = re.compile(r"([a-z][a-z0-9+.-]*):(?://([^/?]*))?([^?]*)(?:\?(.*))?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_PRIVATE_HOST = re.compile(r"[A-Za-z0-9._-]*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


class RedirectUriRefused(ValueError):
    """A redirect URI that may not be registered. `reason` is a sentence for the person who registers it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Parts(NamedTuple):
    scheme: str
    authority: str | None
    host: str
    port: str | None
    path: str


def matches(presented: str, registered: Sequence[str], *, loopback_port_free: bool) -> bool:
    """Equality of every character; nothing is normalised, since two parsers never agree on what that means.

    The one exception, for native apps that listen on whatever port is free: `http` on the address literals
    127.0.0.1 and [::1] may differ in the port (RFC 8252 §7.3). The name `localhost` may not: it can resolve
    to another address (§8.3).
    """
    if presented in registered:
        return True
    sent = _loopback_without_port(presented) if loopback_port_free else None
    return sent is not None and any(_loopback_without_port(uri) == sent for uri in registered)


def check_registrable(uri: str, *, client_type: str) -> None:
    """RedirectUriRefused unless every browser and this server read `uri` in the same way, and it is safe.

    `client_type` is `regular_web`, `spa`, `native` or `m2m`; only a native app may use a scheme of its own.
    """
    if not uri or len(uri) > MAX_URI_CHARS:
        raise RedirectUriRefused(f"A redirect URI has between 1 and {MAX_URI_CHARS} characters.")
    if "#" in uri:
        raise RedirectUriRefused("A redirect URI has no fragment, not even an empty one.")
    if "*" in uri:
        raise RedirectUriRefused("Wildcards are not understood: register every redirect URI in full.")
    if _URI.fullmatch(uri) is None:
        raise RedirectUriRefused("It contains a character that no URI may contain as it stands.")
    if uri.partition(":")[0].lower() in _SCRIPT_SCHEMES:
        raise RedirectUriRefused("A browser would run or open this scheme itself.")
    parts = _parts(uri)
    if parts is None:
        raise RedirectUriRefused("It must be absolute: a scheme in lower case, then the host.")
    if "@" in (parts.authority or ""):
        raise RedirectUriRefused("A user name before the host hides where the redirect really goes.")
    if parts.port is not None and not _is_port(parts.port):
        raise RedirectUriRefused("The port must be a number from 1 to 65535 without leading zeros.")
    if any(unquote(segment) in (".", "..") for segment in parts.path.split("/")):
        raise RedirectUriRefused("A browser would remove the dot segments from its path.")
    if parts.scheme in _DEFAULT_PORTS:
        _check_http(parts)
    else:
        _check_private_use(parts, client_type)


def platform(uri: str) -> Platform:
    """How the redirect reaches its app: by DNS and TLS, by a port of the person's machine, or by a scheme."""
    parts = _parts(uri)
    if parts is None or parts.scheme not in _DEFAULT_PORTS:
        return "private_use"
    return "loopback" if parts.host in _LOOPBACK_HOSTS else "web"


def has_free_port(uri: str) -> bool:
    """Whether a native app may come back on another port than the registered one (RFC 8252 §7.3)."""
    return _loopback_without_port(uri) is not None


def is_verifiable(uri: str) -> bool:
    """Whether only one app can be behind it: any may listen on a port or claim a scheme (RFC 8252 §8.6)."""
    return platform(uri) == "web"


def origin_of(uri: str) -> str | None:
    """The web origin, as a browser writes it in `Origin` (RFC 6454 §6.2); None where there is none."""
    parts = _parts(uri)
    if (
        parts is None
        or parts.scheme not in _DEFAULT_PORTS
        or not parts.host
        or "@" in (parts.authority or "")
    ):
        return None
    port = "" if parts.port in (None, "", _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{parts.host}{port}"


def _loopback_without_port(uri: str) -> tuple[str, str] | None:
    found = _LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 0) > 65535:
        return None
    return found[1], found[3]


def _parts(uri: str) -> _Parts | None:
    """The parts of RFC 3986 Appendix B, for a scheme in lower case. None: not absolute, or malformed."""
    found = _PARTS.fullmatch(uri)
    if found is None:
        return None
    scheme, authority, path, _query = found.groups()
    host_and_port = _AUTHORITY.fullmatch((authority or "").rpartition("@")[2])
    if host_and_port is None:
        return None
    return _Parts(scheme, authority, host_and_port[1], host_and_port[2], path)


def _check_http(parts: _Parts) -> None:
    if not parts.host:
        raise RedirectUriRefused("It must name a host after two slashes.")
    if parts.scheme == "http" and parts.host not in _LOOPBACK_HOSTS:
        raise RedirectUriRefused("It must use https; http is for localhost, 127.0.0.1 and [::1].")
    _check_host(parts.host)


def _check_private_use(parts: _Parts, client_type: str) -> None:
    if client_type != "native":
        raise RedirectUriRefused("Only a native app may use a scheme other than https.")
    if "." not in parts.scheme.strip("."):
        raise RedirectUriRefused(
            "A private scheme is a domain name in reverse, such as com.example.app (RFC 8252)."
        )
    if _PRIVATE_HOST.fullmatch(parts.host) is None or (parts.port is not None and not parts.host):
        raise RedirectUriRefused(
            "After two slashes a private scheme takes letters, digits, dots and hyphens."
        )
    if not parts.path and not parts.authority:
        raise RedirectUriRefused("Something must follow the scheme, such as com.example.app:/callback.")


def _check_host(host: str) -> None:
    if host.startswith("["):
        _check_ipv6(host[1:-1])
        return
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise RedirectUriRefused("The host must be a domain name in lower case (punycode where it needs it).")
    # Browsers read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1: a number as last label needs all four.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]) is not None:
        try:
            IPv4Address(host)
        except AddressValueError:
            raise RedirectUriRefused("An IPv4 address has four decimal numbers.") from None


def _check_ipv6(address: str) -> None:
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        raise RedirectUriRefused("The IPv6 address cannot be read.") from None
    if parsed.scope_id is not None or parsed.ipv4_mapped is not None or parsed.compressed != address:
        raise RedirectUriRefused(
            "An IPv6 address is written in its shortest form, in lower case, without a zone."
        )


def _is_port(digits: str) -> bool:
    return digits.isdigit() and not digits.startswith("0") and int(digits[:6]) <= 65535
