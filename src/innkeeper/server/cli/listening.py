"""Sockets: bound before anything else is done, so that a taken port is known at once."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

from innkeeper.server.cli.failure import CommandFailed

TRIES: Final = 20
_ABSENT: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


def on_loopback(port: int) -> tuple[list[socket.socket], int]:
    """127.0.0.1 and, where present, ::1, both on the same port; 0 takes one that is free on both."""
    for _ in range(TRIES):
        first = _bound(socket.AF_INET, "127.0.0.1", port)
        chosen = first.getsockname()[1]
        try:
            return [first, _bound(socket.AF_INET6, "::1", chosen)], chosen
        except OSError as error:
            if error.errno in _ABSENT:
                return [first], chosen
            first.close()
            if port != 0:
                raise
    raise CommandFailed("No port is free on 127.0.0.1 and ::1.")


def on(host: str, port: int) -> list[socket.socket]:
    """Every address of a host name, or the one address."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    places = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in addresses)
    return [_bound(family, address, port) for family, address in places]


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """Bound, not yet listening: a connection is refused until there is somebody to answer."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    bound.setblocking(False)
    bound.set_inheritable(False)
    return bound


def failure(error: OSError, port: int, *, remedy: str) -> CommandFailed:
    """A taken or forbidden port, with what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return CommandFailed(f"Port {port} is taken. {remedy}")
    if error.errno == errno.EACCES:
        return CommandFailed(f"Port {port} needs more rights than this user has. {remedy}")
    return CommandFailed(f"Port {port}: {error.strerror or error}. {remedy}")
