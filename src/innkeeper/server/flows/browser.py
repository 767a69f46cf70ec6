"""What a browser brings: its binding cookie and its session; and the session's state, judged once per request."""

from datetime import datetime, timedelta

import msgspec

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
    if found is None or found.user is None or not is_session_live(found.session, found.user, now):
        return None
    await _touch(found.session, services, now)
    return SignedIn(session=found.session, user=found.user)


async def _touch(session: Session, services: Services, now: datetime) -> None:
    idle = timedelta(seconds=services.settings.lifetimes.session_idle_s)
    if now - session.last_used_at < idle / 20:
        return
    await services.store.sessions.touch(session.key, last_used_at=now, idle_expires_at=now + idle)
