"""What a browser brings: its binding cookie and its session; and the session's state, judged once per request."""

from datetime import datetime, timedelta

import msgspec

from innkeeper.server.config import Lifetimes
from innkeeper.server.flows.services import Services
from innkeeper.server.model.handle import key_of
from innkeeper.server.model.identifiers import HandleKey
from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User
from innkeeper.server.protocol.liveness import is_session_live


class Browser(msgspec.Struct, frozen=True, kw_only=True):
    """The cookies of one request, and where it came from. `binding` is None when there is no cookie yet."""

    binding: str | None
    session: str | None
    address: str
    correlation_id: str
    label: str = ""


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A live session and its person."""

    session: Session
    user: User


def session_key(browser: Browser) -> HandleKey | None:
    """The key of the session cookie, live or not."""
    return None if browser.session is None else key_of("ik_se_", browser.session)


async def signed_in(browser: Browser, services: Services) -> SignedIn | None:
    """Who is signed in. Last use is written at most once per 5 % of the idle limit."""
    key = session_key(browser)
    found = None if key is None else await services.store.sessions.get(key)
    now = services.clock.now()
    if found is not None:
        found = msgspec.structs.replace(found, session=_shortened(found.session, services.settings.lifetimes))
    if found is None or found.user is None or not is_session_live(found.session, found.user, now):
        return None
    await _touch(found.session, services, now)
    return SignedIn(session=found.session, user=found.user)


def _shortened(session: Session, lifetimes: Lifetimes) -> Session:
    """Under today's limits: a limit that was shortened since acts on live sessions too (R-SE5)."""
    idle = session.last_used_at + timedelta(seconds=lifetimes.session_idle_s)
    absolute = session.created_at + timedelta(seconds=lifetimes.session_absolute_s)
    return msgspec.structs.replace(
        session,
        idle_expires_at=min(session.idle_expires_at, idle),
        absolute_expires_at=min(session.absolute_expires_at, absolute),
    )


async def _touch(session: Session, services: Services, now: datetime) -> None:
    idle = timedelta(seconds=services.settings.lifetimes.session_idle_s)
    if now - session.last_used_at < idle / 20:
        return
    await services.store.sessions.touch(session.key, last_used_at=now, idle_expires_at=now + idle)
