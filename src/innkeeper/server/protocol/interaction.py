"""What a pending authorization request needs next: one pure function, one of five answers.

Under `prompt=none` everything but `Issue` becomes its registered error here and nowhere else (OIDC Core §3.1.2.6).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from innkeeper.oauth import redirect_uri
from innkeeper.oauth.errors import AccessDenied, ConsentRequired, InteractionRequired, LoginRequired
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import SessionId
from innkeeper.server.model.role import Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User
from innkeeper.server.protocol import consent as consents
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.authorize import AuthorizationRequest


class Authenticated(msgspec.Struct, frozen=True, kw_only=True):
    """In this very interaction, by this session."""

    sid: SessionId
    at: datetime


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the pages of this interaction have recorded. It travels sealed with the request."""

    authenticated: Authenticated | None = None
    asked: SessionId | None = None
    """Who was shown the question that waits for an answer: nobody else's answer is one (CO-04)."""
    boxes: tuple[str, ...] | None = None
    """What that question was about; None: only whether to go on. An answer to it is none to another one."""
    answered_by: SessionId | None = None
    """Whose answers `consent_answered` and `confirmed` are."""
    consent_answered: tuple[str, ...] | None = None
    confirmed: bool = False
    pages_shown: bool = False


class SignIn(msgspec.Struct, frozen=True):
    """Show the sign-in page."""


class AskConsent(msgspec.Struct, frozen=True, kw_only=True):
    """Show the consent page for what is missing."""

    missing: Scope
    asked: Scope


class Confirm(msgspec.Struct, frozen=True):
    """Show a confirmation: any app can listen on this callback, and nobody has seen a page (RFC 8252 §8.6, R-CN6)."""


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Answer with a code for this scope. `asked` is what the request could have had."""

    scope: Scope
    asked: Scope


Step = SignIn | AskConsent | Confirm | Issue


def next_step(
    request: AuthorizationRequest,
    session: Session | None,
    user: User | None,
    remembered: Sequence[Consent],
    roles: Mapping[str, Role],
    progress: Progress,
    now: datetime,
) -> Step:
    """`session` and `user` are None when nobody is signed in. Raises `OAuthError` under prompt=none."""
    step = _step(request, session, user, remembered, roles, progress, now)
    if "none" in request.prompt:
        match step:
            case SignIn():
                raise LoginRequired("Nobody is signed in, or not recently enough.")
            case AskConsent():
                raise ConsentRequired("The person has not allowed this yet.")
            case Confirm():
                raise InteractionRequired("The person has to confirm this sign-in.")
    return step


def _step(
    request: AuthorizationRequest,
    session: Session | None,
    user: User | None,
    remembered: Sequence[Consent],
    roles: Mapping[str, Role],
    progress: Progress,
    now: datetime,
) -> Step:
    if session is None or user is None or _must_authenticate(request, session, user, progress, now):
        return SignIn()
    client, api = request.target.client, request.api
    asked = effective_scope.grantable(request.scope, api=api, client=client, user=user, roles=roles)
    answers = (
        progress if progress.answered_by == session.sid else Progress(pages_shown=_saw(progress, session))
    )
    allowed = consents.remembered(remembered, api, now)
    if not consents.may_skip(client, api) or "consent" in request.prompt:
        if "consent" in request.prompt:
            allowed = Scope()  # asked for everything again, so the answer is the answer for everything
        is_silent = "consent" not in request.prompt and (
            asked <= allowed or consents.was_answered(remembered, api, asked)
        )
        if answers.consent_answered is None and not is_silent:
            return AskConsent(missing=asked - allowed, asked=asked)
        granted = asked & (allowed | Scope(answers.consent_answered or ()))
        if not granted:
            # A token without scope still says whose it is, and nobody was asked or everything was refused.
            raise AccessDenied("There is nothing that the person has allowed this app.")
    else:
        granted = asked
    if _must_confirm(request, answers):
        return Confirm()
    if "openid" in asked and "openid" not in granted:
        raise AccessDenied("The person did not allow the app to know who they are.")
    return Issue(scope=granted, asked=asked)


def _saw(progress: Progress, session: Session) -> bool:
    """Pages count for whom they were shown to: not for somebody who opens another's old handle."""
    signed_in_here = progress.authenticated is not None and progress.authenticated.sid == session.sid
    return progress.pages_shown and signed_in_here


def _must_authenticate(
    request: AuthorizationRequest, session: Session, user: User, progress: Progress, now: datetime
) -> bool:
    """Asked once per interaction: otherwise max_age=0 would ask for ever."""
    if request.connection is not None and request.connection != user.directory:
        return True  # somebody else is wanted: the page finds people of that directory only
    just_now = progress.authenticated is not None and progress.authenticated.sid == session.sid
    if just_now:
        return False
    if "login" in request.prompt:
        return True
    return request.max_age is not None and now - session.auth_time >= request.max_age


def _must_confirm(request: AuthorizationRequest, answers: Progress) -> bool:
    if answers.confirmed or answers.pages_shown or request.target.client.type != "native":
        return False
    return not redirect_uri.is_verifiable(request.target.redirect_uri)
