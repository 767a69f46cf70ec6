"""A JWT by which an app proves itself (RFC 7521 §4.2, RFC 7523 §2.2 and §3): what one must say, whoever signed it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.hashes import sha256
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Unverified
from innkeeper.oauth.errors import InvalidClient, InvalidRequest
from innkeeper.oauth.parameters import Parameters

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEY_ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
SECRET_ALGORITHMS: Final = ("HS256",)
MAX_CHARS: Final = 2048
MAX_JTI_CHARS: Final = 256
MAX_AHEAD: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=10)
# Named or not: most libraries still write `JWT`. Any other type is a token that was made for something else.
_TYPES: Final = frozenset(("jwt", "client-authentication+jwt"))
_YEAR_10000: Final = 253402300800


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are: the issuer, and for apps that are registered so the endpoints that they may name instead."""

    issuer: str
    endpoints: tuple[str, ...]


class Assertion:
    """What was sent. `client_id` is what it says of itself; nothing is proved yet."""

    __slots__ = ("client_id", "token")

    def __init__(self, token: Unverified) -> None:
        self.token = token
        sub = token.payload.get("sub")
        if not isinstance(sub, str) or not sub:
            raise InvalidClient("The client assertion names no app: sub and iss are its client_id.")
        self.client_id = sub

    @property
    def expires_at(self) -> datetime:
        """Of an assertion without `fault`."""
        return datetime.fromtimestamp(self.token.payload["exp"], UTC)

    @property
    def digest(self) -> bytes:
        """What is remembered of it: one app's `jti` is never another's."""
        jti: str = self.token.payload["jti"]
        return sha256(f"{len(self.client_id)}|{self.client_id}|{jti}".encode("utf-8", "surrogatepass"))


def is_sent(form: Parameters) -> bool:
    """Whether the request speaks of an assertion at all."""
    return form.get("client_assertion") is not None or form.get("client_assertion_type") is not None


def sent(form: Parameters) -> Assertion:
    """The assertion, taken apart. Raises `OAuthError`."""
    text = form.get("client_assertion")
    if text is None:
        raise InvalidRequest("client_assertion is missing beside client_assertion_type.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}.")
    try:
        assertion = Assertion(Unverified(text, max_chars=MAX_CHARS))
    except TokenRefused as refused:
        raise InvalidClient("The client assertion cannot be read.", detail=str(refused)) from None
    if form.get("client_id") not in (None, assertion.client_id):
        raise InvalidRequest("client_id is not the sub of the client assertion.")
    return assertion


def fault(assertion: Assertion, audience: Audience, now: datetime, *, may_name_endpoint: bool) -> str | None:
    """What is wrong with what it says, in words for its developer; None when all is well.

    It looks at nothing but the assertion and the clock, so the words tell nothing about any app.
    """
    payload, token = assertion.token.payload, assertion.token
    if "typ" in token.header and not token.is_of_type(_TYPES):
        return "Its typ is not JWT or client-authentication+jwt."
    if payload.get("iss") != assertion.client_id:
        return "Its iss is not its sub: both are the client_id."
    if not _is_for_us(payload.get("aud"), audience, may_name_endpoint=may_name_endpoint):
        return f"Its aud is not {audience.issuer} as one string."
    jti = payload.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARS:
        return f"Its jti is not 1 to {MAX_JTI_CHARS} characters."
    return untimely(payload, now)


def _is_for_us(aud: Any, audience: Audience, *, may_name_endpoint: bool) -> bool:
    """One string. With several recipients each could use the assertion up at the others (rfc7523bis)."""
    if not may_name_endpoint:
        return isinstance(aud, str) and aud == audience.issuer
    ours = (audience.issuer, *audience.endpoints)
    named = [aud] if isinstance(aud, str) else aud
    return isinstance(named, list) and bool(named) and all(name in ours for name in named)


def untimely(payload: dict[str, Any], now: datetime) -> str | None:
    """What is wrong with `exp`, `iat` and `nbf`, in words for a developer; None when they are good (RFC 7523 §3)."""
    exp = instant(payload, "exp")
    if exp is None:
        return "Its exp is not a whole number of seconds."
    if exp <= now - SKEW:
        return "It has expired."
    if exp > now + MAX_AHEAD + SKEW:
        return f"Its exp is more than {MAX_AHEAD.seconds // 60} minutes ahead."
    for name in ("iat", "nbf"):
        if name not in payload:
            continue
        at = instant(payload, name)
        if at is None:
            return f"Its {name} is not a whole number of seconds."
        if at > now + SKEW:
            return f"Its {name} lies in the future."
        if name == "iat" and at < now - MAX_AHEAD - SKEW:
            return "Its iat is too long ago: make a new one for every request."
    return None


def instant(payload: dict[str, Any], name: str) -> datetime | None:
    """A claim that is a whole number of seconds; None for anything else."""
    value = payload.get(name)
    if type(value) is not int or not 0 <= value < _YEAR_10000:
        return None
    return datetime.fromtimestamp(value, UTC)


# Public keys whose private halves nobody has: tried where there is no key, so that time tells nothing (CA-11).
STAND_INS: Final = KeySet(
    (
        {
            "kty": "EC",
            "kid": "-",
            "crv": "P-256",
            "x": "vnmWMqBdm5D4W4XB3buk51Zs-hsNqqz9B9-IfkzWLrw",
            "y": "wR81g1ivDrQ2xQB3zxX2WTC8dRZO1i12xXYOaoZ4YDc",
        },
        {"kty": "OKP", "kid": "-", "crv": "Ed25519", "x": "RdNw4cwRGM5sOod2CTNFl6zfdGdpotQnEybVggGX2kg"},
        {
            "kty": "RSA",
            "kid": "-",
            "e": "AQAB",
            "n": "rXag_QcJa9ec6tezXNswzecMm6OztJvGItbEn81qFx2UnkZ_oEQOo4oacudI8MHhLwwqDl35TZv_2J8cvacoxaT2"
            "DGfq0RKhdLYNdzh_7uhLOjgkDzOJ5w6wZdR1Q0QuX1AE7B53f5UbgVWdgRJ4-dUxggdVE8wYWEMACbg08vi76VH3"
            "UdBXIVUKC55fl5pu5PqADvkCdZ4_Dhhpj_MzJ94CDFPM-CRch0x1eQWK96FY1-MMVVIBf_gNSeqmRGnj8l82KIbJ"
            "sXnTTbgqN5YKnZu23wJ2SDS2fbgeVBS6Cat8jLLaQ5VHt9fItbcgQcYP5IZbqgKZfW5mQE5zzEmeEQ",
        },
    )
)
