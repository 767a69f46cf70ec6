"""What a grant is made of, and what it still gives: person, app, consent, API and permissions are looked at again."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from innkeeper.oauth.errors import InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.config import Settings
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol import consent, effective_scope
from innkeeper.server.protocol.liveness import stands
from innkeeper.server.storage.outcomes import CodeAndGrant, DeviceAndGrant, FamilyAndGrant, GrantStanding

Completed = CodeAndGrant | FamilyAndGrant | DeviceAndGrant
"""Whatever stands for a grant."""


def authorization_of(
    found: Completed,
    *,
    client: Client,
    registry: RegistrySnapshot,
    settings: Settings,
    now: datetime,
) -> Authorization | None:
    """With all of the grant's scope that is still given; None when what it stands on has ended.

    Whether the grant was revoked or its session has ended is the transition's to say: a replay has to reach it.
    """
    grant, user = found.grant, found.user
    api = registry.apis.get(grant.api) if grant.api is not None else None
    standing = GrantStanding(
        grant=replace(grant, revoked_at=None),
        user=user,
        client_epoch=client.epoch,
        consent_epoch=found.consent_epoch,
    )
    if user is None or not stands(standing) or (grant.api is not None and api is None):
        return None
    if api is not None and api.is_younger_than(grant.created_at):
        # The API that this was given for was deleted; another has its name now.
        return None
    wanted = Scope.of(grant.scope)
    if found.consents and not consent.may_skip(client, api):
        over = consent.lapsed(found.consents, api, now)
        if over and wanted <= over:
            return None
        wanted = wanted - over
    return Authorization(
        client=client,
        user=user,
        api=api,
        scope=effective_scope.grantable(wanted, api=api, client=client, user=user, roles=registry.roles),
        grant_id=grant.grant_id,
        authentication=Authentication(sid=grant.sid, auth_time=grant.auth_time, amr=grant.amr, acr=grant.acr),
        claims=grant.claims,
        access_token_lifetime=lifetime_within(grant, api, settings, now),
    )


def check_target(form: Parameters, grant: Grant) -> None:
    """`resource` and `audience` may repeat what was granted, never name anything else (RFC 8707 §2.2).

    What is ignored would be a token that the app takes to an API it is not for. Nothing is used up by it.
    """
    named = {value for name, value in form.pairs if name in ("audience", "resource") and value}
    if named - {grant.api}:
        raise InvalidTarget("This was not granted for the API that audience or resource names.")


def grant_of(
    authorization: Authorization, *, epochs: Epochs, scope: Scope, now: datetime, expires_at: datetime
) -> Grant:
    """The other way round: the grant that a completed authorization leaves behind."""
    user, authentication = authorization.user, authorization.authentication
    assert user is not None and authentication is not None and authorization.grant_id is not None
    return Grant(
        grant_id=authorization.grant_id,
        client_id=authorization.client.client_id,
        user_id=user.user_id,
        api=None if authorization.api is None else authorization.api.identifier,
        scope=tuple(scope),
        sid=authentication.sid,
        auth_time=authentication.auth_time,
        amr=authentication.amr,
        acr=authentication.acr,
        epochs=epochs,
        claims=authorization.claims,
        created_at=now,
        expires_at=expires_at,
    )


def access_token_lifetime(api: Api | None, settings: Settings) -> timedelta:
    """The API's own; without an API, that of tokens for userinfo."""
    if api is None:
        return timedelta(seconds=settings.lifetimes.userinfo_access_token_s)
    return api.access_token_lifetime


def lifetime_within(grant: Grant, api: Api | None, settings: Settings, now: datetime) -> timedelta:
    """Never beyond the grant's end, after which its row goes: a token must not die before the time it was told."""
    return min(access_token_lifetime(api, settings), grant.expires_at - now)


def decided_on(found: Completed, client: Client) -> Epochs:
    """The epochs of the grant, and the client as it was read for this request."""
    return replace(found.grant.epochs, client_revision=client.revision)
