"""Client authentication: the registry of methods, and the one way in for every endpoint (RFC 6749 §2.3)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from innkeeper.oauth.errors import InvalidClient, InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client, ClientSecret
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_auth.base import ClientAuthMethod, Facts, Presented
from innkeeper.server.protocol.client_auth.client_secret_basic import ClientSecretBasic
from innkeeper.server.protocol.client_auth.client_secret_jwt import ClientSecretJwt
from innkeeper.server.protocol.client_auth.client_secret_post import ClientSecretPost
from innkeeper.server.protocol.client_auth.none import NoAuthentication
from innkeeper.server.protocol.client_auth.private_key_jwt import PrivateKeyJwt

CLIENT_AUTH_METHODS: tuple[ClientAuthMethod, ...] = (
    ClientSecretBasic(),
    ClientSecretPost(),
    ClientSecretJwt(),
    PrivateKeyJwt(),
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
        raise InvalidClient(
            "No client authentication: send client_id, Basic credentials or a client_assertion."
        )
    return found[0]


def verify(presented: Presented, client: Client | None, facts: Facts, *, origin: str | None) -> Client:
    """The client, if this is a method of its own and it proves itself. Raises `OAuthError`.

    An assertion is good once: who asks claims its `digest` before anything else happens (RFC 7523 §3).
    """
    known = NOBODY if client is None else client
    objection = _BY_NAME[presented.method].objection(presented, known, facts)
    if objection is not None or not takes(known, presented.method) or not known.is_enabled or client is None:
        detail = _reason(presented, known, objection)
        raise InvalidClient(_advice(presented, facts), detail=detail)
    if presented.method != "none" and origin is not None:
        raise InvalidRequest(
            "Credentials of an app came with an Origin header, so from a browser, where no secret can be kept."
            " Register the app as a single-page app and use PKCE without a secret."
        )
    return client


def takes(client: Client, method: str) -> bool:
    """The registered method, and a signature for whoever has keys beside a secret: so an app can change over.

    The other way round a secret is never good for an app that is registered for signatures.
    """
    if method == client.token_endpoint_auth_method:
        return True
    return method == "private_key_jwt" and not client.is_public and bool(client.keys or client.jwks_uri)


def _advice(presented: Presented, facts: Facts) -> str:
    """What anybody can see wrong with an assertion is said; it is the same whether the app exists or not (R-CA5).

    That it names an endpoint comes last: of some apps this is no fault, and theirs is then another one.
    """
    if presented.assertion is None:
        return REFUSED
    of_all, of_most = (
        client_assertion.fault(presented.assertion, facts.audience, facts.now, may_name_endpoint=allowed)
        for allowed in (True, False)
    )
    said = of_all or of_most
    return REFUSED if said is None else f"{REFUSED} About the assertion: {said}"


def _reason(presented: Presented, known: Client, objection: str | None) -> str:
    """As many steps for an unknown client as for a wrong secret."""
    if not known.is_enabled:
        return "client disabled"
    if not takes(known, presented.method) and known is not NOBODY:
        return f"registered for {known.token_endpoint_auth_method}, used {presented.method}"
    return "unknown client" if known is NOBODY else objection or ""
