"""ID tokens that come back to us as hints (OIDC Core §3.1.2.1, RP-Initiated Logout 1.0 §2)."""

from typing import Final

import msgspec

from innkeeper.jose import jwt
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.server.flows.services import Services
from innkeeper.server.model.identifiers import ClientId, SessionId, Subject
from innkeeper.server.protocol.tokens import id_token

# What only our other JWTs have. `typ` alone does not tell them apart: it is JWT for more than one of them.
OF_OTHER_TOKENS: Final = frozenset(("jti", "scope", "client_id", "azp", "gty", "events"))


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an ID token of ours was about, in which session, and which app we gave it to. It opens nothing."""

    subject: Subject
    sid: SessionId | None
    client_id: ClientId
    name: str | None = None
    """What they sign in with, if the token says so: it tells the app nothing new."""


def hinted(text: str, client_id: ClientId | None, services: Services) -> Hint | None:
    """The person of an ID token that we made for this client, expired or not; None for everything else.

    Without `client_id`, for whichever client it was made: its one audience says. A token whose signing key has
    left the JWKS is nobody's any more.
    """
    now = services.clock.now()
    try:
        claims = jwt.verify(
            text,
            services.keys.verification_keys(now),
            algorithms=SIGNING_ALGORITHMS,
            typ=id_token.TYP,
            now=now,
            issuer=services.settings.issuer,
            audience=client_id,
            may_be_expired=True,
        )
    except TokenRefused:
        return None
    if len(claims.aud) != 1 or not OF_OTHER_TOKENS.isdisjoint(claims) or "auth_time" not in claims:
        return None
    sid, name = claims.get("sid"), claims.get("preferred_username", claims.get("email"))
    return Hint(
        subject=Subject(claims.sub),
        sid=SessionId(sid) if isinstance(sid, str) else None,
        client_id=ClientId(claims.aud[0]),
        name=name if isinstance(name, str) else None,
    )
