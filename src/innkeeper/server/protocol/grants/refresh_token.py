"""grant_type=refresh_token (RFC 6749 §6, RFC 9700 §4.14.2, OIDC Core §12)."""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from innkeeper.oauth.errors import InvalidGrant, InvalidScope
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.grant_rights import authorization_of, check_target, decided_on
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Context,
    Evidence,
    FamilyByHandle,
    Lookup,
    PresentedFamily,
    Refusal,
    RotateFamily,
)

# One text for unknown, foreign, ended and reused. Browser libraries look for the words "invalid refresh token".
REFUSED: Final = "Unknown or invalid refresh token."


class RefreshTokenGrant:
    """Which generation is alive is the transition's to say, never this file's."""

    name = "refresh_token"
    allows_public_clients = True
    client_types = ("regular_web", "spa", "native")

    def lookup(self, form: Parameters) -> Lookup:
        """By the digest of the family's random bytes, once the MAC is found to be ours."""
        return FamilyByHandle(form.require("refresh_token"))

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """No refusal changes anything: a stolen token is no lever against its owner."""
        if not isinstance(evidence, PresentedFamily):
            return _refused("unknown, or not made by this server")
        found = evidence.found
        if found.family.client_id != context.client.client_id:
            return _refused("another client's")
        if context.now >= ends_at(found.family, context.client.refresh):
            return _refused("the app's lifetimes were shortened since")
        authorization = authorization_of(
            found,
            client=context.client,
            registry=context.registry,
            settings=context.settings,
        )
        if authorization is None or OFFLINE_ACCESS not in authorization.scope:
            return _refused("the person, the app, the consent, the API or its offline access has ended")
        check_target(form, found.grant)
        asked, breadth = Scope.parse(form.get("scope")), Scope.of(found.family.scope)
        if not asked <= breadth:
            raise InvalidScope("The scope goes beyond what was granted.")
        # For this access token alone: the family keeps its breadth (RFC 6749 §6). That is what the first answer said,
        # which may be less than the grant: a hook took something away, or a permission came back since.
        return replace(authorization, scope=authorization.scope & (asked or breadth))

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Rotates the family, by the app's policy of today."""
        assert isinstance(evidence, PresentedFamily)
        policy, family = authorization.client.refresh, evidence.found.family
        return RotateFamily(
            token=evidence.token,
            grant_id=family.grant_id,
            epochs=decided_on(evidence.found, authorization.client),
            overlap=policy.overlap,
            is_rotating=policy.rotation,
            idle=policy.idle,
        )


def _refused(detail: str) -> Refusal:
    return Refusal(error=InvalidGrant(REFUSED, detail=detail))


def ends_at(family: RefreshFamily, policy: RefreshPolicy) -> datetime:
    """By the limits of today, which may be shorter than those it was issued with; longer ones prolong nothing."""
    last_used_at = family.rotated_at or family.issued_at
    today = min(last_used_at + policy.idle, family.issued_at + policy.absolute)
    return min(today, family.idle_expires_at, family.absolute_expires_at)
