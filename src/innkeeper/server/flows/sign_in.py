"""Signing in on the page: a password is proved, then a new session begins (R-LG4, R-LG10)."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from innkeeper.oauth.errors import AccessDenied
from innkeeper.server.flows import authorize
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser, session_key, signed_in
from innkeeper.server.flows.fresh import new_attempt, new_handle, new_session_id
from innkeeper.server.flows.id_tokens import hinted
from innkeeper.server.flows.interaction import Interaction
from innkeeper.server.flows.prove_password import Claimed, prove
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.directories import of_address
from innkeeper.server.identity.identifiers import normalise
from innkeeper.server.model.credential import Unproved
from innkeeper.server.model.events import SignedIn
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.model.secret import Secret
from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User
from innkeeper.server.protocol.acr import acr_of
from innkeeper.server.protocol.interaction import Authenticated, Progress
from innkeeper.server.protocol.target import Target
from innkeeper.server.storage.outcomes import Done

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
    target = await authorize.target_of(interaction, browser, services)
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


async def cancel(handle: str, browser: Browser, services: Services) -> authorize.Answer:
    """Back to the app with `access_denied` (R-LG9)."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.target_of(interaction, browser, services)
    return await authorize.refuse(
        target, AccessDenied("The person cancelled the sign-in."), browser, services
    )


async def submit(
    handle: str, username: str, password: str, browser: Browser, services: Services
) -> SignInView | SignInDone:
    """Raises `InteractionRefused`, `InteractionExpired`, `UntrustedRequest`, `Busy`, `StoreUnavailable`."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.target_of(interaction, browser, services)
    page = SignInView(target=target, interaction=interaction, username=username[:254])
    if not username.strip() or not password:
        return msgspec.structs.replace(page, problem="missing")
    proved = await prove(
        Claimed(
            directory=_directory(username, interaction, services),
            username=username,
            password=Secret(password.encode("utf-8", "surrogatepass")),
            address=browser.address,
            correlation_id=browser.correlation_id,
        ),
        services,
    )
    if isinstance(proved, Unproved):
        # A disabled account looks like a wrong password: whoever guesses learns nothing.
        problem: Problem = "throttled" if proved.problem == "throttled" else "wrong"
        return msgspec.structs.replace(page, problem=problem, retry_after=proved.retry_after)
    cookie = await _start_session(proved, browser, services)
    if cookie is None:
        return msgspec.structs.replace(page, problem="wrong")
    text, session = cookie
    progress = Progress(authenticated=Authenticated(sid=session.sid, at=session.auth_time), pages_shown=True)
    outcome = await authorize.advance(
        interaction.with_progress(progress), msgspec.structs.replace(browser, session=text), services
    )
    return SignInDone(outcome=outcome, session_cookie=text)


def _directory(username: str, interaction: Interaction, services: Services) -> DirectoryName:
    """The one that the app asked for (R-AZ10), or else the one of the address's domain."""
    known = services.registry.snapshot.directories
    asked = interaction.request().get("connection")
    # A directory that was deleted since is asked for in vain; the request is refused when it is checked again.
    return of_address(normalise(username), known) if asked is None else DirectoryName(asked)


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
