"""Deleting what is over, in memory."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from innkeeper.server.storage.memory.tables import Tables

MARGIN: Final = timedelta(hours=1)


def purge(tables: Tables, now: datetime, limit: int) -> int:
    """At most `limit` rows, as one transition."""
    doomed = list(islice(_over(tables, now - MARGIN), limit))
    for table, key in doomed:
        del table[key]
    return len(doomed)


def _over(tables: Tables, before: datetime) -> Iterator[tuple[dict[Any, Any], object]]:
    # A redeemed code's digest stays as long as its grant, so that a replay is still recognised.
    over_grants = {grant.grant_id for grant in tables.grants.values() if grant.expires_at < before}
    for code_key, code in tables.codes.items():
        if code.code.grant_id in over_grants:
            yield tables.codes, code_key
    for grant_id in over_grants:
        yield tables.grants, grant_id
    for token_key, token in tables.access_tokens.items():
        if token.expires_at < before:
            yield tables.access_tokens, token_key
    for denied_key, expires_at in tables.denied_tokens.items():
        if expires_at < before:
            yield tables.denied_tokens, denied_key
    for family_key, family in tables.refresh_families.items():
        if family.absolute_expires_at < before or family.grant_id in over_grants:
            yield tables.refresh_families, family_key
    for device_key, device in tables.device_codes.items():
        if device.device.expires_at < before:
            yield tables.device_codes, device_key
    for session_key, session in tables.sessions.items():
        if session.session.absolute_expires_at < before:
            yield tables.sessions, session_key
    for throttle_key, throttle in tables.throttles.items():
        if throttle.window_ends_at < before:
            yield tables.throttles, throttle_key
    for link_key, link in tables.links.items():
        if link.link.expires_at < before:
            yield tables.links, link_key
    for digest, assertion in tables.assertion_ids.items():
        if assertion.expires_at < before:
            yield tables.assertion_ids, digest
