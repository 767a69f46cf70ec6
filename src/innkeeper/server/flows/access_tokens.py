"""Access tokens that come back to us: which kind, and what a JWT of ours says."""

from datetime import datetime, timedelta

from innkeeper.jose import jwt
from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.server.flows.services import Services
from innkeeper.server.model.handle import denial_key
from innkeeper.server.model.identifiers import GrantId, HandleKey
from innkeeper.server.protocol.tokens import access_token


def verified(token: str, services: Services, now: datetime) -> jwt.Claims:
    """A JWT access token that we signed and that has not expired. Raises `TokenRefused`."""
    return jwt.verify(
        token,
        services.keys.verification_keys(now),
        algorithms=SIGNING_ALGORITHMS,
        typ=access_token.TYP,
        now=now,
        issuer=services.settings.issuer,
        audience=None,
        leeway=timedelta(0),
    )


def grant_of(claims: jwt.Claims) -> GrantId:
    """The first part of its `jti`; of a machine's token it is no grant's."""
    return GrantId((claims.jti or "").partition(".")[0])


def denied_under(claims: jwt.Claims) -> HandleKey:
    """The row that denies this very token, if there is one."""
    return denial_key(claims.jti or "", int(claims.exp.timestamp()))
