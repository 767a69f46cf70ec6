"""grant_type=authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from typing import Final

from msgspec.structs import replace

from innkeeper.oauth import pkce
from innkeeper.oauth.errors import InvalidGrant
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.handle import key_of
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.grant_rights import authorization_of, check_target, decided_on
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
from innkeeper.server.storage.outcomes import CodeAndGrant

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
        if not isinstance(evidence, CodeAndGrant) or evidence.code.client_id != context.client.client_id:
            return Refusal(error=InvalidGrant(REFUSED, detail="unknown code, or another client's"))
        if wrong := _wrong_presentation(form, evidence.code):
            burn = BurnCode(key=evidence.code.key, grant_id=evidence.grant.grant_id)
            return Refusal(error=InvalidGrant(wrong), consumption=burn)
        authorization = authorization_of(
            evidence,
            client=context.client,
            registry=context.registry,
            settings=context.settings,
            now=context.now,
        )
        if authorization is None:
            ended = "the person, the app, the consent or the API has ended"
            return Refusal(error=InvalidGrant(REFUSED, detail=ended))
        check_target(form, evidence.grant)
        return replace(
            authorization,
            nonce=evidence.code.nonce,
            begins_family=OFFLINE_ACCESS in authorization.scope,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Redeems the code, on the epochs that its grant was made with."""
        assert isinstance(evidence, CodeAndGrant)
        epochs = decided_on(evidence, authorization.client)
        return RedeemCode(key=evidence.code.key, grant_id=evidence.grant.grant_id, epochs=epochs)


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
