"""What a finished authorization request leaves behind: grant, code and front-channel tokens, in one transition.

With a code the grant is completed at the token endpoint; without one it is complete at once (OIDC Core §3.2, §3.3).
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from innkeeper.oauth.errors import AccessDenied
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import hooks, issue
from innkeeper.server.flows.browser import Browser, SignedIn
from innkeeper.server.flows.fresh import new_attempt, new_grant_id, new_handle
from innkeeper.server.flows.issue import Prepared
from innkeeper.server.flows.services import Services
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.events import CodeIssued, GrantOpened
from innkeeper.server.model.grant import Epochs, NamedClaims
from innkeeper.server.model.identifiers import GrantId
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.grant_rights import access_token_lifetime, grant_of
from innkeeper.server.protocol.response_types import IMPLICIT, is_front_channel
from innkeeper.server.storage.outcomes import Done


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A request that nothing stands in the way of any more: what is granted, by whom, decided on what."""

    request: AuthorizationRequest
    person: SignedIn
    scope: Scope
    claims: NamedClaims
    epochs: Epochs


async def complete(finished: Finished, browser: Browser, services: Services) -> list[tuple[str, str]] | None:
    """The parameters of the answer. None when something moved meanwhile: decide again. Raises `AccessDenied`."""
    request, now = finished.request, services.clock.now()
    grant_id = new_grant_id(services.entropy)
    authorization = _authorization(finished, grant_id, services)
    if is_front_channel(request.response_type):
        authorization = await _ruled(authorization, request, browser, services)
    prepared = issue.prepare(authorization, services, now, wanted=request.response_type)
    if "code" not in request.response_type:
        is_done = await _open_grant(finished, prepared, browser, services)
        return issue.front_channel(prepared, services, None) if is_done else None
    code = await _issue_code(finished, prepared, browser, services)
    return None if code is None else [("code", code), *issue.front_channel(prepared, services, code)]


async def _ruled(
    authorization: Authorization, request: AuthorizationRequest, browser: Browser, services: Services
) -> Authorization:
    """The operator's hook is asked wherever tokens leave. It may take scopes away, but not half of an answer."""
    ruled = await hooks.pre_token(
        authorization,
        services,
        grant_type=IMPLICIT,
        address=browser.address,
        correlation_id=browser.correlation_id,
    )
    if "id_token" in request.response_type and "openid" not in ruled.scope:
        raise AccessDenied("A rule of this server's operator does not let the app know who the person is.")
    return ruled


async def _issue_code(
    finished: Finished, prepared: Prepared, browser: Browser, services: Services
) -> str | None:
    """The grant waits for its code to be redeemed; what leaves beside it stands on the same grant."""
    text, code, ends_at = _new_code(finished, prepared, services)
    event = CodeIssued(
        **_about(finished, prepared, browser),
        scope=str(finished.scope),
        response_type=str(finished.request.response_type),
    )
    outcome = await services.store.codes.issue(
        code,
        grant_of(
            prepared.authorization,
            epochs=finished.epochs,
            scope=finished.scope,
            now=prepared.now,
            expires_at=ends_at,
        ),
        access_token=prepared.opaque,
        attempt=new_attempt(services.entropy),
        events=[event],
    )
    if not isinstance(outcome, Done):
        return None
    services.events.emit(event)
    return text


async def _open_grant(finished: Finished, prepared: Prepared, browser: Browser, services: Services) -> bool:
    """Complete at once; it lasts as long as what leaves with it."""
    api, scope = finished.request.api, prepared.authorization.scope
    event = GrantOpened(
        **_about(finished, prepared, browser),
        scope=str(scope),
        grant_type=IMPLICIT,
        api=None if api is None else api.identifier,
    )
    outcome = await services.store.grants.open(
        grant_of(
            prepared.authorization,
            epochs=finished.epochs,
            scope=scope,
            now=prepared.now,
            expires_at=prepared.now + prepared.authorization.access_token_lifetime,
        ),
        access_token=prepared.opaque,
        family=None,
        attempt=new_attempt(services.entropy),
        events=[event],
    )
    if not isinstance(outcome, Done):
        return False
    services.events.emit(event)
    return True


def _about(finished: Finished, prepared: Prepared, browser: Browser) -> dict[str, Any]:
    """What either event says."""
    return {
        "at": prepared.now,
        "correlation_id": browser.correlation_id,
        "client_id": finished.request.target.client.client_id,
        "user_id": finished.person.user.user_id,
        "ip": browser.address,
        "grant_id": prepared.authorization.grant_id,
    }


def _authorization(finished: Finished, grant_id: GrantId, services: Services) -> Authorization:
    """What leaves by the browser: short-lived, and never good for a refresh token (R-IM4, R-HY4)."""
    request, session = finished.request, finished.person.session
    short = timedelta(seconds=services.settings.lifetimes.front_channel_access_token_s)
    return Authorization(
        client=request.target.client,
        user=finished.person.user,
        api=request.api,
        scope=finished.scope - Scope((OFFLINE_ACCESS,)),
        grant_id=grant_id,
        authentication=Authentication(
            sid=session.sid, auth_time=session.auth_time, amr=session.amr, acr=session.acr
        ),
        nonce=request.nonce,
        claims=finished.claims,
        access_token_lifetime=min(short, access_token_lifetime(request.api, services.settings)),
    )


def _new_code(
    finished: Finished, prepared: Prepared, services: Services
) -> tuple[str, AuthorizationCode, datetime]:
    """Its text, its record, and the end of its grant."""
    request, lifetimes, now = finished.request, services.settings.lifetimes, prepared.now
    assert prepared.authorization.grant_id is not None
    expires_at = now + timedelta(seconds=lifetimes.authorization_code_s)
    userinfo = timedelta(seconds=lifetimes.userinfo_access_token_s)
    grant_ends_at = expires_at + max(access_token_lifetime(request.api, services.settings), userinfo)
    # The code's digest is kept as long as its grant, so that a replay is known for what it is.
    text, key = new_handle(services.entropy, "ik_ac_", grant_ends_at)
    code = AuthorizationCode(
        key=key,
        grant_id=prepared.authorization.grant_id,
        client_id=request.target.client.client_id,
        redirect_uri=request.target.redirect_uri_sent,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
        issued_at=now,
        expires_at=expires_at,
    )
    return text, code, grant_ends_at
