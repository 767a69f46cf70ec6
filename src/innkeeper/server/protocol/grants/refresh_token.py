"""grant_type=refresh_token (RFC 6749 §6, RFC 9700 §4.14.2, OIDC Core §12)."""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from innkeeper.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.protocol import consent, effective_scope
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS, RESERVED_SCOPES
from innkeeper.server.protocol.grant_rights import authorization_of, decided_on, lifetime_within
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
from innkeeper.server.storage.outcomes import FamilyAndGrant

# One text for unknown, foreign, ended and reused. Browser libraries look for the words "invalid refresh token".
REFUSED: Final = "Unknown or invalid refresh token."
_RESERVED: Final = Scope(RESERVED_SCOPES)


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
            now=context.now,
        )
        if authorization is None or OFFLINE_ACCESS not in authorization.scope:
            return _refused("the person, the app, the consent, the API or its offline access has ended")
        other = _another_api(form, found.grant, context)
        if other is not None:
            return _for_another_api(other, form, found, authorization, context)
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
            was_living=evidence.token.generation == family.generation,
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


def _another_api(form: Parameters, grant: Grant, context: Context) -> Api | None:
    """None: the grant's own. Otherwise one that the app's policy lists (RFC 8707 §2.2)."""
    named = {value for name, value in form.pairs if name in ("audience", "resource") and value}
    if named <= {grant.api}:
        return None
    if len(named) > 1:
        raise InvalidTarget("An access token is for one API: audience and resource name different ones.")
    identifier = ApiIdentifier(named.pop())
    found = context.registry.apis.get(identifier)
    if found is None or identifier not in context.client.refresh.apis:
        raise InvalidTarget("The refresh token is not for this API.")
    return found


def _for_another_api(
    api: Api, form: Parameters, found: FamilyAndGrant, own: Authorization, context: Context
) -> Authorization:
    """For this access token alone, as if it were asked for today; of the person's identity no more than was granted.

    Nobody sees a page, so nobody can be asked: what needs a consent is given if it was given for this API before,
    offline access among it.
    """
    client, asked = context.client, form.get("scope")
    if not effective_scope.has_offline_access(client, api):
        raise InvalidTarget("This API allows no access while the person is away.")
    wanted = effective_scope.requested(None if asked is None else Scope.parse(asked), api)
    identity = wanted & _RESERVED
    if not identity <= Scope.of(found.family.scope):
        raise InvalidScope("The scope goes beyond what was granted.")
    assert own.user is not None
    wanted = (wanted - identity) | (identity & own.scope)
    roles = context.registry.roles
    scope = effective_scope.grantable(wanted, api=api, client=client, user=own.user, roles=roles)
    if not consent.may_skip(client, api):
        allowed = consent.remembered(found.consents, api, context.now)
        if OFFLINE_ACCESS not in allowed:
            raise InvalidTarget("The person has not allowed this app to use this API while they are away.")
        scope = scope & (allowed | identity)
    lifetime = lifetime_within(found.grant, api, context.settings, context.now)
    return replace(own, api=api, scope=scope, access_token_lifetime=lifetime)
