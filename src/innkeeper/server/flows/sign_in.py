"""Signing in with a password: counted first, then checked, then a new session (R-LG4, R-LG10)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.oauth.errors import AccessDenied
from innkeeper.server.flows import authorize
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser, session_key, signed_in
from innkeeper.server.flows.fresh import new_attempt, new_handle, new_session_id
from innkeeper.server.flows.id_tokens import hinted
from innkeeper.server.flows.interaction import Interaction
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.identity.identifiers import normalise
from innkeeper.server.identity.lockout import limits
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import SignedIn, SignInBlocked, SignInFailed
from innkeeper.server.model.session import Session
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.model.user import User
from innkeeper.server.protocol.acr import acr_of
from innkeeper.server.protocol.interaction import Authenticated, Progress
from innkeeper.server.protocol.target import Target
from innkeeper.server.storage.outcomes import Blocked, Done, UserAndPassword

AMR: Final = ("pwd",)
Problem = Literal["wrong", "missing", "throttled"]


class SignInView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows."""

    target: Target
    interaction: Interaction
    username: str = ""
    problem: Problem | None = None
    retry_after: timedelta | None = None


class SignInDone(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go next, and the new session cookie."""

    outcome: authorize.Outcome
    session_cookie: str


async def view(
    handle: str, browser: Browser, services: Services, *, switch_account: bool = False
) -> SignInView | authorize.Outcome:
    """The page, or what comes next when it is not needed any more."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.find_target(interaction.request(), services)
    if not switch_account and await signed_in(browser, services) is not None:
        outcome = await authorize.advance(interaction, browser, services)
        if not (isinstance(outcome, authorize.Show) and outcome.page == "sign-in"):
            return outcome
    return SignInView(
        target=target, interaction=interaction, username=_hinted_name(interaction, target, services)
    )


def _hinted_name(interaction: Interaction, target: Target, services: Services) -> str:
    """What the app says, or what its ID token says: never more than the app knows already."""
    parameters = interaction.request()
    name, text = parameters.get("login_hint"), parameters.get("id_token_hint")
    if name is None and text is not None:
        hint = hinted(text, target.client.client_id, services)
        name = None if hint is None else hint.name
    return (name or "")[:254]


async def cancel(handle: str, browser: Browser, services: Services) -> authorize.Redirect:
    """Back to the app with `access_denied` (R-LG9)."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.find_target(interaction.request(), services)
    return authorize.refuse(target, AccessDenied("The person cancelled the sign-in."), browser, services)


async def submit(
    handle: str, username: str, password: str, browser: Browser, services: Services
) -> SignInView | SignInDone:
    """Raises `InteractionRefused`, `InteractionExpired`, `UntrustedRequest`, `Busy`, `StoreUnavailable`."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.find_target(interaction.request(), services)
    page = SignInView(target=target, interaction=interaction, username=username[:254])
    identifier = normalise(username)
    if not username.strip() or not password:
        return msgspec.structs.replace(page, problem="missing")
    # What cannot be anybody's name is counted and hashed like any other: no shortcut to tell by (BF-10).
    name = identifier if identifier is not None else "?" + sha256(username.encode("utf-8", "replace")).hex()
    found = await services.store.users.for_sign_in(name)
    counted = _counted(name, found, browser, services)
    blocked = await _count(counted, browser, services)
    if blocked is not None:
        return msgspec.structs.replace(page, problem="throttled", retry_after=blocked)
    user = await _prove(found, password, counted, browser, services)
    cookie = None if user is None else await _start_session(user, browser, services)
    if cookie is None:
        return msgspec.structs.replace(page, problem="wrong")
    text, session = cookie
    progress = Progress(authenticated=Authenticated(sid=session.sid, at=session.auth_time), pages_shown=True)
    outcome = await authorize.advance(
        interaction.with_progress(progress), msgspec.structs.replace(browser, session=text), services
    )
    return SignInDone(outcome=outcome, session_cookie=text)


def _counted(
    name: str, found: UserAndPassword | None, browser: Browser, services: Services
) -> Sequence[AttemptLimit]:
    """By person where there is one: user name, e-mail and phone number share one counter (BF-05)."""
    account = name if found is None else "\0" + found.user.user_id
    return limits(account, browser.address, services.settings.sign_in, services.seals.key("throttle"))


async def _count(counted: Sequence[AttemptLimit], browser: Browser, services: Services) -> timedelta | None:
    """Before the password is looked at, so that parallel guesses cannot slip past. The wait, when there is one."""
    now = services.clock.now()
    outcome = await services.store.throttles.attempt(counted, now=now)
    if not isinstance(outcome, Blocked):
        return None
    services.events.emit(SignInBlocked(at=now, correlation_id=browser.correlation_id, ip=browser.address))
    return outcome.until - now


async def _prove(
    found: UserAndPassword | None,
    password: str,
    counted: Sequence[AttemptLimit],
    browser: Browser,
    services: Services,
) -> User | None:
    """The person, if the password is theirs. Unknown, disabled and wrong take the same time and look the same."""
    credential = None if found is None else found.password
    is_right = await services.passwords.verify(None if credential is None else credential.hash, password)
    if found is None or credential is None or not is_right or not found.user.is_enabled:
        reason = "unknown" if found is None else "disabled" if is_right else "wrong password"
        services.events.emit(
            SignInFailed(
                at=services.clock.now(),
                correlation_id=browser.correlation_id,
                user_id=None if found is None else found.user.user_id,
                ip=browser.address,
                reason=reason,
            )
        )
        return None
    # The address keeps its count: one right password must not pay for guesses at other accounts.
    await services.store.throttles.forget([limit.key for limit in counted[:2]])
    if services.passwords.needs_rehash(credential.hash):
        await _rehash(credential, password, services)
    return found.user


async def _rehash(credential: PasswordCredential, password: str, services: Services) -> None:
    """To today's cost, unless the password has changed meanwhile, or too many wait: then the next time."""
    try:
        stronger = msgspec.structs.replace(credential, hash=await services.passwords.hash(password))
    except Busy:
        return
    await services.store.users.set_password(
        stronger, expected_hash=credential.hash, ends_everything=False, events=()
    )


async def _start_session(user: User, browser: Browser, services: Services) -> tuple[str, Session] | None:
    """A new handle at every sign-in (fixation); another person's session ends, the same person's `sid` stays."""
    now = services.clock.now()
    lifetimes = services.settings.lifetimes
    ends_at = now + timedelta(seconds=lifetimes.session_absolute_s)
    text, key = new_handle(services.entropy, "ik_se_", ends_at)
    before = await signed_in(browser, services)
    is_same = before is not None and before.user.user_id == user.user_id
    session = Session(
        key=key,
        sid=before.session.sid if before is not None and is_same else new_session_id(services.entropy),
        user_id=user.user_id,
        user_epoch=user.epoch,
        auth_time=_whole_second(now),
        amr=AMR,
        acr=acr_of(AMR),
        created_at=now,
        last_used_at=now,
        idle_expires_at=now + timedelta(seconds=lifetimes.session_idle_s),
        absolute_expires_at=ends_at,
        browser=browser.label[:200],
    )
    event = SignedIn(
        at=now, correlation_id=browser.correlation_id, user_id=user.user_id, ip=browser.address,
        sid=session.sid, amr=session.amr,
    )  # fmt: skip
    outcome = await services.store.sessions.start(
        session, replaces=session_key(browser), attempt=new_attempt(services.entropy), events=[event]
    )
    if not isinstance(outcome, Done):
        return None
    services.events.emit(event)
    return text, session


def _whole_second(now: datetime) -> datetime:
    """`auth_time` is in seconds on the wire; what is compared later must be what was told."""
    return now.replace(microsecond=0)


__all__ = ["SignInDone", "SignInView", "cancel", "submit", "view"]
