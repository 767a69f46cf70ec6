"""The metadata of an issuer, found where it may lie and believed only if it is this issuer's (RFC 8414 §3)."""

from __future__ import annotations

import logging
from typing import Any

from innkeeper.jose import strict_json
from innkeeper.oauth.metadata import well_known_urls
from innkeeper.resource_server.fetch import MAX_DOCUMENT_BYTES, Fetch, is_trustworthy_address

_log = logging.getLogger(__name__)


async def read(issuer: str, fetch: Fetch) -> dict[str, Any]:
    """Raises whatever the transport raises, or ValueError."""
    metadata: dict[str, Any] = strict_json.parse_object(await _document(issuer, fetch))
    # A document of another issuer would hand its keys and its endpoints to us (§3.3).
    if metadata.get("issuer") != issuer:
        raise ValueError("the metadata names another issuer")
    return metadata


def address(metadata: dict[str, Any], name: str) -> str:
    """One of its addresses, if it can be trusted."""
    found = metadata.get(name)
    if not isinstance(found, str) or not is_trustworthy_address(found):
        raise ValueError(f"the metadata names no {name} that can be trusted")
    return found


def bounded(document: bytes) -> bytes:
    """As it is, unless it is too large."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("the document is too large")
    return document


async def _document(issuer: str, fetch: Fetch) -> bytes:
    *earlier, last = well_known_urls(issuer)
    for url in earlier:
        try:
            return bounded(await fetch(url))
        except Exception as cause:
            _log.debug("no metadata at %s: %s", url, cause)
    return bounded(await fetch(last))
