"""The address of a PostgreSQL database (RFC 3986 §3): how it is read, and what of it people may see.

A password that is not percent-encoded splits the address elsewhere than its author thinks, and a part of it would be
taken for a host, a port or a path, which stand in logs, on screens and in the mark of a move.
"""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

REMEDY: Final = (
    "percent-encode what is special in it (@ is %40, # %23, / %2F, ? %3F, [ %5B), or better put the password into a"
    " passfile (~/.pgpass) or PGPASSWORD"
)
_HOST: Final = re.compile(r"(\[[0-9A-Za-z:.%]+\](:[0-9]+)?|[^:\[\]]*(:[0-9]*)?)")


class UrlRefused(ValueError):
    """It cannot be read without doubt. The message repeats nothing of it."""


def split(url: str) -> SplitResult:
    """Its parts. Raises UrlRefused."""
    try:
        parts = urlsplit(url)
        parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise UrlRefused(f"this is no address: {REMEDY}") from None  # the library's words repeat pieces of it
    if parts.scheme not in ("postgresql", "postgres"):
        raise UrlRefused("begins with postgresql://; leave it out for the SQLite file")
    if "#" in url:
        raise UrlRefused(f"there is a # in it: {REMEDY}")
    # asyncpg ends the user's part at the first @, others at the last one.
    if url.count("@") > 1 or parts.netloc.count("@") != url.count("@"):
        raise UrlRefused(f"there is an @ that does not stand between user and host: {REMEDY}")
    if not all(_HOST.fullmatch(host) for host in parts.netloc.rpartition("@")[2].split(",")):
        raise UrlRefused(f"what stands for host and port is neither: {REMEDY}")
    return parts


def holds_password(url: str) -> bool:
    """In the user's part or in the query. Raises UrlRefused."""
    parts = split(url)
    names = [name.casefold() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return ":" in unquote(parts.netloc.rpartition("@")[0]) or any(name.endswith("password") for name in names)


def place_of(url: str) -> str:
    """For people: without a password, and without options, one of which might be it. Raises UrlRefused."""
    parts = split(url)
    person, _, hosts = parts.netloc.rpartition("@")
    user = re.split(":|%3a", person, flags=re.IGNORECASE)[0]
    return f"postgresql://{user + '@' if user else ''}{hosts}{parts.path}"
