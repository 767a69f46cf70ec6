"""JWT bearer (RFC 7523 §2.1): an app brings what another issuer says about a person, once, and gets an access token.

Nobody sees a page, so nobody can be asked: only first-party apps, and only where the API lets their consent be skipped.
There is no session, no ID token and no refresh token: who wants more asks the other issuer again.
"""

from typing import Final

from innkeeper.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.grant import Epochs
from innkeeper.server.protocol import consent, effective_scope
from innkeeper.server.protocol.authorize import api_named
from innkeeper.server.protocol.grant_rights import access_token_lifetime
from innkeeper.server.protocol.grants.base import (
    AssertedPerson,
    Consumption,
    Context,
    Evidence,
    Lookup,
    OpenGrant,
    PersonByAssertion,
    Refusal,
    Unbelieved,
)

# One text whatever is wrong: who is trusted, and who is known, is not to be found out by trying. The log says more.
REFUSED: Final = (
    "The assertion is not believed: it is expired, used before, not for this issuer as one aud, not signed by an issuer"
    " that this app may bring assertions of, or about nobody known here."
)


class JwtBearer:
    """Only for a first-party app with a secret or key that a trusted issuer's record names."""

    name = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    allows_public_clients = False
    client_types = ("regular_web", "m2m")

    def lookup(self, form: Parameters) -> Lookup:
        """The person whom the assertion is about, if it is to be believed."""
        return PersonByAssertion(assertion=form.require("assertion"))

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """Of what is asked for, what the app and the person may."""
        if not isinstance(evidence, AssertedPerson):
            detail = evidence.reason if isinstance(evidence, Unbelieved) else None
            return Refusal(error=InvalidGrant(REFUSED, detail=detail))
        client, user = context.client, evidence.user
        api = _target(form, context)
        asked = form.get("scope")
        wanted = None if asked is None else Scope.parse(asked)
        if wanted is not None and wanted & effective_scope.NOT_FOR_MACHINES:
            raise InvalidScope("There is no ID token, no userinfo and no refresh token for an assertion.")
        return Authorization(
            client=client,
            user=user,
            api=api,
            scope=effective_scope.grantable(
                effective_scope.requested(wanted, api) - effective_scope.NOT_FOR_MACHINES,
                api=api,
                client=client,
                user=user,
                roles=context.registry.roles,
            ),
            authentication=Authentication(sid=None, auth_time=evidence.auth_time, amr=(), acr=None),
            access_token_lifetime=access_token_lifetime(api, context.settings),
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Opens a grant of its own, and uses the assertion up in doing so."""
        assert isinstance(evidence, AssertedPerson)
        client = authorization.client
        return OpenGrant(
            epochs=Epochs(
                client_revision=client.revision,
                client_epoch=client.epoch,
                user_epoch=evidence.user.epoch,
                consent_epoch=consent.epoch_of(evidence.consents, authorization.api),
            ),
            assertion=evidence.use,
        )


def _target(form: Parameters, context: Context) -> Api:
    api = api_named(form, context.registry, default_audience=context.settings.default_audience)
    if api is None:
        raise InvalidTarget("Name the API: send audience (or resource) with its identifier.")
    if not consent.may_skip(context.client, api):
        raise InvalidTarget(
            "People have to be asked before this app calls this API for them, and nobody can be asked here."
        )
    return api
