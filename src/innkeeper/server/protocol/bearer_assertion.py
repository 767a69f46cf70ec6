"""A JWT of another issuer about a person (RFC 7523 §2.1 and §3): what one must say, whoever signed it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.hashes import sha256
from innkeeper.jose.jwt import Unverified
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import IssuerName
from innkeeper.server.model.trusted_issuer import AssertionUse, TrustedIssuer
from innkeeper.server.protocol.client_assertion import MAX_JTI_CHARS, SKEW, instant, untimely

MAX_CHARS: Final = 4096
MAX_SUBJECT_CHARS: Final = 256
# Named or not, and the one of an identity assertion between two applications (ID-JAG). No other: not the access
# token, the logout token or the client assertion that the same issuer may have signed for us.
_TYPES: Final = frozenset(("jwt", "oauth-id-jag+jwt"))


def read(text: str) -> Unverified | None:
    """Taken apart; None for what is no JWT of acceptable size."""
    try:
        return Unverified(text, max_chars=MAX_CHARS)
    except TokenRefused:
        return None


def issuer_of(
    token: Unverified, trusted: Mapping[IssuerName, TrustedIssuer], client: Client
) -> TrustedIssuer | None:
    """Whom it says that it is from, if that one is believed and this app may bring it."""
    iss = token.payload.get("iss")
    found = trusted.get(IssuerName(iss)) if isinstance(iss, str) else None
    return found if found is not None and found.may_be_brought_by(client) else None


def fault(token: Unverified, client: Client, *, audience: str, now: datetime) -> str | None:
    """What is wrong with what it says, for the log; None when all is well."""
    payload = token.payload
    if "typ" in token.header and not token.is_of_type(_TYPES):
        return "typ"
    aud = payload.get("aud")
    if not isinstance(aud, str) or aud != audience:
        # One string: with several recipients each could bring it to the others.
        return "aud is not this issuer as one string"
    subject = payload.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS or not subject.isprintable():
        return "sub"
    jti = payload.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARS:
        return "jti"
    if payload.get("client_id", client.client_id) != client.client_id:
        return "client_id is another app"
    if "auth_time" in payload and not _has_happened(payload, now):
        return "auth_time"
    return untimely(payload, now)


def auth_time(token: Unverified) -> datetime | None:
    """When the person proved themselves to the other issuer; None if that is not said: it is never made up."""
    return instant(token.payload, "auth_time")


def use_of(token: Unverified, issuer: TrustedIssuer) -> AssertionUse:
    """Of an assertion without `fault`. One issuer's `jti` is never another's, nor that of an app."""
    jti: str = token.payload["jti"]
    name = f"issuer|{len(issuer.issuer)}|{issuer.issuer}|{jti}"
    return AssertionUse(
        digest=sha256(name.encode("utf-8", "surrogatepass")),
        expires_at=datetime.fromtimestamp(token.payload["exp"], UTC) + SKEW,
        issuer=issuer.issuer,
        issuer_revision=issuer.revision,
    )


def _has_happened(payload: dict[str, Any], now: datetime) -> bool:
    at = instant(payload, "auth_time")
    return at is not None and at <= now + SKEW
