"""grant_type=authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from datetime import timedelta
from typing import Final

import msgspec

from innkeeper.oauth import pkce
from innkeeper.oauth.errors import InvalidGrant
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.handle import key_of
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.grants.base import (
    BurnCode,
    CodeByHandle,
    Consumption,
    Context,
    Evidence,
    Lookup,
    RedeemCode,
    Refusal,
)
from innkeeper.server.protocol.liveness import is_live
from innkeeper.server.storage.outcomes import CodeAndGrant, GrantStanding

# One text for unknown, expired, foreign and redeemed: nothing to learn from trying.
REFUSED: Final = "The code is unknown, expired, already used, or not this app's."


class AuthorizationCodeGrant:
    """Whether a code was redeemed before is the transition's to say, never this file's."""

    name = "authorization_code"
    allows_public_clients = True
    client_types = ("regular_web", "spa", "native")

    def lookup(self, form: Parameters) -> Lookup:
        """By the code's digest."""
        return CodeByHandle(key_of("ik_ac_", form.require("code")))

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """A foreign code changes nothing; a wrong presentation by the right client burns it."""
        if evidence is None or evidence.code.client_id != context.client.client_id:
            return Refusal(error=InvalidGrant(REFUSED, detail="unknown code, or another client's"))
        if wrong := _wrong_presentation(form, evidence.code):
            burn = BurnCode(key=evidence.code.key, grant_id=evidence.grant.grant_id)
            return Refusal(error=InvalidGrant(wrong), consumption=burn)
        return _authorization(evidence, context)

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Redeems the code, on the epochs that its grant was made with."""
        assert evidence is not None
        grant = evidence.grant
        decided_on = msgspec.structs.replace(grant.epochs, client_revision=authorization.client.revision)
        return RedeemCode(key=evidence.code.key, grant_id=grant.grant_id, epochs=decided_on)


def _wrong_presentation(form: Parameters, code: AuthorizationCode) -> str | None:
    """RFC 6749 §4.1.3 and RFC 7636 §4.6; a verifier without a challenge is a downgrade (RFC 9700 §4.8.2)."""
    sent = form.get("redirect_uri")
    if code.redirect_uri != sent:
        return "redirect_uri is not the one of the authorization request."
    verifier = form.get("code_verifier")
    if code.code_challenge is None:
        return (
            "code_verifier came although the authorization request had no code_challenge."
            if verifier
            else None
        )
    if verifier is None:
        return "code_verifier is missing."
    if not pkce.verify(verifier, code.code_challenge):
        return "code_verifier does not match the code_challenge."
    return None


def _authorization(evidence: CodeAndGrant, context: Context) -> Authorization | Refusal:
    """Rights are looked at again: the person may have lost them since the code was issued."""
    grant, user, client = evidence.grant, evidence.user, context.client
    api = context.registry.apis.get(grant.api) if grant.api is not None else None
    if user is None or not is_live(_standing(evidence, client)) or (grant.api is not None and api is None):
        return Refusal(
            error=InvalidGrant(REFUSED, detail="the person, the app, the consent or the API has ended")
        )
    scope = effective_scope.grantable(
        Scope.of(grant.scope), api=api, client=client, user=user, roles=context.registry.roles
    )
    lifetime = (
        timedelta(seconds=context.userinfo_access_token_s) if api is None else api.access_token_lifetime
    )
    return Authorization(
        client=client,
        user=user,
        api=api,
        scope=scope,
        grant_id=grant.grant_id,
        authentication=Authentication(sid=grant.sid, auth_time=grant.auth_time, amr=grant.amr, acr=grant.acr),
        nonce=evidence.code.nonce,
        access_token_lifetime=lifetime,
    )


def _standing(evidence: CodeAndGrant, client: Client) -> GrantStanding:
    """Whether the grant was revoked is the transition's to say: a replay has to reach it."""
    return GrantStanding(
        grant=msgspec.structs.replace(evidence.grant, revoked_at=None),
        user=evidence.user,
        client_epoch=client.epoch,
        consent_epoch=evidence.consent_epoch,
    )
