"""Client authentication: the registry of methods, and the one way in for every endpoint (RFC 6749 §2.3)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from innkeeper.oauth.errors import InvalidClient, InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client, ClientSecret
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.protocol.client_auth.base import ClientAuthMethod, Presented
from innkeeper.server.protocol.client_auth.client_secret_basic import ClientSecretBasic
from innkeeper.server.protocol.client_auth.client_secret_post import ClientSecretPost
from innkeeper.server.protocol.client_auth.none import NoAuthentication

CLIENT_AUTH_METHODS: tuple[ClientAuthMethod, ...] = (
    ClientSecretBasic(),
    ClientSecretPost(),
    NoAuthentication(),
)
_BY_NAME = {method.name: method for method in CLIENT_AUTH_METHODS}

# Stands in for a client that does not exist, so that every step is the same one as for a wrong secret (CA-11).
NOBODY = Client(
    client_id=ClientId(""),
    name="",
    type="regular_web",
    created_at=datetime.min.replace(tzinfo=UTC),
    token_endpoint_auth_method="client_secret_basic",
    secrets=(ClientSecret(digest=bytes(32), created_at=datetime.min.replace(tzinfo=UTC)),),
)
# One text for an unknown client, a wrong secret and a wrong method: nothing to learn from trying (R-CA5).
REFUSED = "Client authentication failed."


def identify(authorization: Sequence[str], form: Parameters) -> Presented:
    """Who the request says it is. Two methods at once are `invalid_request` (RFC 6749 §2.3)."""
    found = [
        presented for method in CLIENT_AUTH_METHODS if (presented := method.present(authorization, form))
    ]
    if len(found) > 1:
        raise InvalidRequest("More than one client authentication method was used.")
    if not found:
        raise InvalidClient("No client authentication: send client_id, or Basic credentials.")
    return found[0]


def verify(presented: Presented, client: Client | None, *, origin: str | None, now: datetime) -> Client:
    """The client, if this is its registered method and it proves itself. Raises `OAuthError`."""
    known = NOBODY if client is None else client
    proved = _BY_NAME[presented.method].proves(presented, known, now)
    if (
        not proved
        or known.token_endpoint_auth_method != presented.method
        or not known.is_enabled
        or client is None
    ):
        raise InvalidClient(REFUSED, detail=_reason(presented, known))
    if presented.secret is not None and origin is not None:
        raise InvalidRequest(
            "A client secret came with an Origin header, so from a browser, where no secret can be kept."
            " Register the app as a single-page app and use PKCE without a secret."
        )
    return client


def _reason(presented: Presented, known: Client) -> str:
    """As many steps for an unknown client as for a wrong secret."""
    if not known.is_enabled:
        return "client disabled"
    if known.token_endpoint_auth_method != presented.method and known is not NOBODY:
        return f"registered for {known.token_endpoint_auth_method}, used {presented.method}"
    return "unknown client" if known is NOBODY else "wrong secret"
