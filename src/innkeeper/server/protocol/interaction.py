"""What a pending authorization request needs next: one pure function, one of six answers.

Under `prompt=none` everything but `Issue` becomes its registered error here and nowhere else (OIDC Core §3.1.2.6).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from innkeeper.oauth import redirect_uri
from innkeeper.oauth.errors import (
    AccessDenied,
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.grant import NO_NAMED_CLAIMS, NamedClaims
from innkeeper.server.model.identifiers import SessionId
from innkeeper.server.model.role import Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User
from innkeeper.server.protocol import consent as consents
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.acr import ACR_VALUES
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.tokens.user_claims import SCOPE_OF_CLAIM
from innkeeper.server.protocol.waiting_device import is_confirmed_by


class Authenticated(msgspec.Struct, frozen=True, kw_only=True):
    """In this very interaction, by this session."""

    sid: SessionId
    at: datetime


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the pages of this interaction have recorded. It travels sealed with the request."""

    authenticated: Authenticated | None = None
    account_chosen: SessionId | None = None
    """Who was asked whether it is them that this is about, and said so."""
    asked: SessionId | None = None
    """Who was shown the question that waits for an answer: nobody else's answer is one (CO-04)."""
    boxes: tuple[str, ...] | None = None
    """What that question was about; None: only whether to go on. An answer to it is none to another one."""
    answered_by: SessionId | None = None
    """Whose answers `consent_answered` and `confirmed` are."""
    consent_answered: tuple[str, ...] | None = None
    confirmed: bool = False
    pages_shown: bool = False


class KnownAs(msgspec.Struct, frozen=True, kw_only=True):
    """What the request may call the person who is signed in."""

    subject: str
    """Their `sub` for this app."""
    is_hinted: bool = True
    """`login_hint` is one of their names, or nobody's."""


class SignIn(msgspec.Struct, frozen=True):
    """Show the sign-in page."""


class Choose(msgspec.Struct, frozen=True):
    """Ask whether the person who is signed in is the one that this is about."""


class ConfirmDevice(msgspec.Struct, frozen=True):
    """Ask whether the device in front of the person shows this code, and whether they started it (RFC 8628 §5.4)."""


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
    claims: NamedClaims = NO_NAMED_CLAIMS


Step = SignIn | Choose | ConfirmDevice | AskConsent | Confirm | Issue


def next_step(
    request: AuthorizationRequest,
    session: Session | None,
    user: User | None,
    remembered: Sequence[Consent],
    roles: Mapping[str, Role],
    progress: Progress,
    now: datetime,
    known_as: KnownAs | None = None,
) -> Step:
    """`session` and `user` are None when nobody is signed in. Raises `OAuthError`, for every page under prompt=none."""
    step = _step(request, session, user, remembered, roles, progress, now, known_as)
    if "none" in request.prompt:
        match step:
            case SignIn():
                raise LoginRequired("Nobody is signed in, or not recently enough, or somebody else is.")
            case Choose():
                raise AccountSelectionRequired("The person has to say which account this is about.")
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
    known_as: KnownAs | None,
) -> Step:
    if not _has_confirmed_device(request, session, progress):
        return ConfirmDevice()
    if session is None or user is None:
        return SignIn()
    if request.connection is not None and request.connection != user.directory:
        return SignIn()  # somebody else is wanted: the page finds people of that directory only
    client, api = request.target.client, request.api
    named = known_as or KnownAs(subject=user.user_id)
    is_meant = (
        request.subjects is None
        or named.subject in request.subjects
        or _may_not_know(request, consents.remembered(remembered, api, now))
    )
    first = _right_person(request, session, named, is_meant, progress, now)
    if first is not None:
        return first
    # A claim that is asked for by name is consented to in the words of its scope.
    wanted = request.scope | request.claims.scope
    asked = effective_scope.grantable(wanted, api=api, client=client, user=user, roles=roles)
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
    return Issue(scope=granted & request.scope, asked=asked, claims=_allowed(request, granted))


def _allowed(request: AuthorizationRequest, granted: Scope) -> NamedClaims:
    """Of the claims that were asked for by name, those whose scope the person allowed."""
    named = request.claims.named
    return NamedClaims(
        id_token=tuple(name for name in named.id_token if SCOPE_OF_CLAIM[name] in granted),
        userinfo=tuple(name for name in named.userinfo if SCOPE_OF_CLAIM[name] in granted),
    )


def _may_not_know(request: AuthorizationRequest, allowed: Scope) -> bool:
    """Whether the answer must be the same whoever is signed in.

    An app of somebody else's whom this person never told who they are could ask in silence for one name after the
    other (`sub` in `claims`). It hears that consent is missing, and it is: `openid` is asked for and not allowed.
    """
    is_silent = "none" in request.prompt and not request.target.client.is_first_party
    return is_silent and "openid" in request.scope and "openid" not in allowed


def _right_person(
    request: AuthorizationRequest,
    session: Session,
    known_as: KnownAs,
    is_meant: bool,
    progress: Progress,
    now: datetime,
) -> SignIn | Choose | None:
    """Whether the session is of the person that is meant, recent and strong enough. Raises what no sign-in mends.

    Asked once per interaction: otherwise max_age=0 would ask for ever.
    """
    just_now = progress.authenticated is not None and progress.authenticated.sid == session.sid
    if not is_meant:
        if just_now:  # nobody is told about another person than was asked for (OIDC Core §3.1.2.2)
            raise LoginRequired("Somebody else signed in than the person the app asked for.")
        return SignIn()
    if not _meets(request.claims.acr, session):
        if just_now:
            raise UnmetAuthenticationRequirements("This sign-in is not of the acr that claims demands.")
        return SignIn()
    if just_now:
        return None
    if _must_authenticate(request, session, now):
        return SignIn()
    is_doubtful = "select_account" in request.prompt or not known_as.is_hinted
    return Choose() if is_doubtful and progress.account_chosen != session.sid else None


def _meets(acr: tuple[str, ...] | None, session: Session) -> bool:
    """An essential `acr`; without values, any that can be stated."""
    return acr is None or session.acr in (acr or ACR_VALUES)


def _saw(progress: Progress, session: Session) -> bool:
    """Pages count for whom they were shown to: not for somebody who opens another's old handle."""
    signed_in_here = progress.authenticated is not None and progress.authenticated.sid == session.sid
    return progress.pages_shown and signed_in_here


def _must_authenticate(request: AuthorizationRequest, session: Session, now: datetime) -> bool:
    if "login" in request.prompt:
        return True
    return request.max_age is not None and now - session.auth_time >= request.max_age


def _has_confirmed_device(request: AuthorizationRequest, session: Session | None, progress: Progress) -> bool:
    device, here = request.target.device, progress.authenticated
    return device is None or is_confirmed_by(
        device.reference,
        None if session is None else session.sid,
        signed_in_here=None if here is None else here.sid,
        answered_by=progress.answered_by,
    )


def _must_confirm(request: AuthorizationRequest, answers: Progress) -> bool:
    if request.target.device is not None:
        return False
    if answers.confirmed or answers.pages_shown or request.target.client.type != "native":
        return False
    return not redirect_uri.is_verifiable(request.target.redirect_uri)
