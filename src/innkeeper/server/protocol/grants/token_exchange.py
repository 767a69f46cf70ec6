"""Token exchange (RFC 8693): an API that was shown a token gets one for the next API, on behalf of the same person.

The new token stands on the grant of the old one, so whatever ends that ends both; and it says who acts (`act`, §4.1).
"""

from collections.abc import Mapping
from typing import Any, Final

from innkeeper.oauth.errors import InvalidRequest, InvalidScope, InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import consent, effective_scope
from innkeeper.server.protocol.authorize import api_named
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Context,
    Evidence,
    ExchangeTokens,
    LiveToken,
    Lookup,
    Nothing,
    Refusal,
    TokensByText,
)

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
MAX_ACTORS: Final = 4
# One text whatever is wrong with it (§2.2.2): what a token is good for is not to be found out by trying.
REFUSED: Final = "The subject_token is unknown, expired, revoked, or not for this app to exchange."
ACTOR_REFUSED: Final = "The actor_token is unknown, expired, revoked, or not this app's own."


class TokenExchange:
    """Only for a first-party app with a secret or key, and only towards an API that it was granted by name."""

    name = "urn:ietf:params:oauth:grant-type:token-exchange"
    allows_public_clients = False
    client_types = ("regular_web", "m2m")

    def lookup(self, form: Parameters) -> Lookup:
        """The standing of both tokens. Of kinds we know access tokens alone (§2.1)."""
        actor, actor_type = form.get("actor_token"), form.get("actor_token_type")
        if (actor is None) != (actor_type is None):
            raise InvalidRequest("actor_token and actor_token_type go together.")
        for name in ("subject_token_type", "actor_token_type"):
            if form.get(name) not in (None, ACCESS_TOKEN, JWT):
                raise InvalidRequest(f"{name} must be {ACCESS_TOKEN}.")
        if form.get("requested_token_type") not in (None, ACCESS_TOKEN, JWT):
            raise InvalidRequest(f"requested_token_type must be {ACCESS_TOKEN}.")
        form.require("subject_token_type")
        return TokensByText(subject=form.require("subject_token"), actor=actor)

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """Who may exchange what for which API; the person's own permissions are looked at again."""
        client = context.client
        if not isinstance(evidence, ExchangeTokens) or not _may_exchange(client, evidence.subject):
            raise InvalidRequest(REFUSED)
        subject = evidence.subject
        assert subject is not None and subject.user is not None and subject.grant is not None
        if form.get("actor_token") is not None and not _is_own(client, evidence.actor):
            raise InvalidRequest(ACTOR_REFUSED)
        api = _target(form, context)
        if form.get("requested_token_type") == JWT and api.token_format != "jwt":
            raise InvalidRequest("This API has opaque tokens: leave requested_token_type out.")
        rest = subject.expires_at - context.now
        grant = subject.grant
        return Authorization(
            client=client,
            user=subject.user,
            api=api,
            scope=_scope(form, api, subject, context),
            grant_id=grant.grant_id,
            authentication=Authentication(
                sid=grant.sid, auth_time=grant.auth_time, amr=grant.amr, acr=grant.acr
            ),
            access_token_lifetime=min(api.access_token_lifetime, rest),
            act=_chain(client, subject, evidence.actor),
            issued_token_type=form.get("requested_token_type") or ACCESS_TOKEN,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Nothing: the subject token may be exchanged as long as it lives."""
        return Nothing()


def _may_exchange(client: Client, token: LiveToken | None) -> bool:
    """A person's live token that was shown to this API, or given to this app. A stranger's is no lever (TX-01)."""
    if token is None or token.grant is None or token.user is None or not client.is_first_party:
        return False
    is_shown_to = any(api in token.audience for api in client.resource_server_of)
    return token.client_id == client.client_id or is_shown_to


def _is_own(client: Client, token: LiveToken | None) -> bool:
    """The actor is who asks: a token that somebody else left behind makes nobody else out of this app."""
    return token is not None and token.client_id == client.client_id


def _target(form: Parameters, context: Context) -> Api:
    """Named, granted to this app by name, and open to people without asking them once more (TX-02)."""
    api = api_named(form, context.registry, default_audience=None)
    if api is None:
        raise InvalidTarget("Name the API: send audience (or resource) with its identifier.")
    if context.client.scope_for(api.identifier) is None:
        raise InvalidTarget("This app has no grant for the API it asked for.")
    effective_scope.ceiling(api, context.client)
    if not consent.may_skip(context.client, api):
        raise InvalidTarget(
            "People have to be asked before this API is called for them, and nobody can be asked here."
        )
    return api


def _scope(form: Parameters, api: Api, subject: LiveToken, context: Context) -> Scope:
    """Asked for, within the app's grant; of that what the person may, and on the same API never more than before.

    Nor by a detour: what the person gave for the first API bounds every token that comes back to it.
    """
    allowed = effective_scope.ceiling(api, context.client)
    text = form.get("scope")
    asked = allowed if text is None else Scope.parse(text)
    if not asked <= allowed:
        raise InvalidScope("The scope goes beyond what this app was granted.")
    assert subject.user is not None and subject.grant is not None
    granted = effective_scope.grantable(
        asked, api=api, client=context.client, user=subject.user, roles=context.registry.roles
    )
    if api.identifier == subject.grant.api:
        granted = granted & Scope.of(subject.grant.scope)
    return granted & subject.scope if api.identifier in subject.audience else granted


def _chain(client: Client, subject: LiveToken, actor: LiveToken | None) -> Mapping[str, Any]:
    """The app that acts now, and below it those that acted before (§4.1). A chain has an end."""
    before = subject.act
    depth, link = 1, before
    while link is not None:
        depth, link = depth + 1, link.get("act")
    if depth > MAX_ACTORS:
        raise InvalidRequest(f"This token was exchanged {MAX_ACTORS} times already.")
    acting = {"sub": client.client_id if actor is None else actor.subject, "client_id": client.client_id}
    return acting if before is None else {**acting, "act": before}
