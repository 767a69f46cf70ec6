"""Several hosts in one address: all are asked at once, and the one that takes writes is taken.

One after the other would wait for a host that is gone, in the very minute in which another one has replaced it.
"""

import asyncio
import os
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

from innkeeper.server.model import database_url
from innkeeper.server.storage.postgresql.faults import NotConnected

# A handshake takes long where the machine is busy, and a server that starts says so.
_MOMENTARY: Final = (TimeoutError, asyncpg.CannotConnectNowError)
_Attempt = asyncio.Task["asyncpg.Connection[asyncpg.Record]"]


def addresses(url: str) -> dict[str, str]:
    """Of `postgresql://user@one:5432,two:5432/name`: each host, and the address that names it alone.

    The hosts are named in errors: what cannot be told from a password raises NotConnected.
    """
    try:
        parts = database_url.split(url)
    except database_url.UrlRefused as error:
        raise NotConnected(f"PostgreSQL: database.url: {error}", is_momentary=False) from None
    person, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return {hosts: url}
    return {host: urlunsplit(parts._replace(netloc=f"{person}{at}{host}")) for host in hosts.split(",")}


def are_several(url: str) -> bool:
    """Hosts in the address, or where the library looks for what the address leaves out. Raises NotConnected."""
    [first, *others] = addresses(url)
    if first.partition(":")[0]:
        return bool(others)
    in_query = parse_qs(urlsplit(url).query).get("host")
    return "," in (in_query[-1] if in_query else os.environ.get("PGHOST", ""))


async def connect(url: str, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """The first connection that fits the options. Raises NotConnected when no host has one."""
    attempts: dict[str, _Attempt] = {
        host: asyncio.create_task(asyncpg.connect(address, **options))
        for host, address in addresses(url).items()
    }
    chosen: _Attempt | None = None
    try:
        chosen = await _first(attempts)
    finally:
        for attempt in attempts.values():
            if attempt is not chosen:
                attempt.cancel()
                attempt.add_done_callback(_hang_up)
    return chosen.result()


async def _first(attempts: dict[str, _Attempt]) -> _Attempt:
    """To succeed. What each of the others said is in the error."""
    waiting = set(attempts.values())
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            if attempt.exception() is None:
                return attempt
    errors = {host: error for host, attempt in attempts.items() if (error := attempt.exception())}
    said = (f"{host}: {type(error).__name__}: {error}" for host, error in errors.items())
    is_momentary = any(isinstance(error, _MOMENTARY) for error in errors.values())
    raise NotConnected(f"PostgreSQL: {_explained('; '.join(said))}", is_momentary=is_momentary)


def _explained(said: str) -> str:
    """PgBouncer knows no settings of a session: its client would be somebody else's server connection."""
    if "unsupported startup parameter" in said:
        return f"{said} (behind PgBouncer, set database.pooler)"
    return said


def _hang_up(attempt: _Attempt) -> None:
    """It came too late, or together with the one that was chosen."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
