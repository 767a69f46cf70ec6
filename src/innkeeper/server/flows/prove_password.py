"""Proving a person by password, wherever they type it: counted first, then checked (R-LG4, R-PW8).

The sign-in page and the password grants share the counters: a guess counts the same by every road (BF-05).
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.identity.directories import qualified
from innkeeper.server.identity.identifiers import normalise
from innkeeper.server.identity.lockout import limits
from innkeeper.server.model.credential import PasswordCredential, Unproved
from innkeeper.server.model.events import SignInBlocked, SignInFailed
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.model.secret import Secret
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import Blocked, UserAndPassword


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody says they are. `address` is the one that guesses are counted on."""

    directory: DirectoryName
    username: str
    password: Secret
    address: str
    correlation_id: str
    client_id: str | None = None


async def prove(claimed: Claimed, services: Services) -> User | Unproved:
    """Unknown, disabled and wrong take the same time. Raises `Busy`, `StoreUnavailable`."""
    identifier = normalise(claimed.username)
    # What cannot be anybody's name is counted and hashed like any other: no shortcut to tell by (BF-10).
    name = identifier if identifier is not None else "?" + _digest(claimed.username)
    found = await services.store.users.for_sign_in(qualified(claimed.directory, name))
    counted = _counted(qualified(claimed.directory, name), found, claimed, services)
    wait = await _count(counted, claimed, services)
    if wait is not None:
        return Unproved(problem="throttled", retry_after=wait)
    return await _check(found, counted, claimed, services)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hex()


def _counted(
    name: str, found: UserAndPassword | None, claimed: Claimed, services: Services
) -> Sequence[AttemptLimit]:
    """By person where there is one: user name, e-mail and phone number share one counter (BF-05)."""
    account = name if found is None else "\0" + found.user.user_id
    return limits(account, claimed.address, services.settings.sign_in, services.seals.key("throttle"))


async def _count(counted: Sequence[AttemptLimit], claimed: Claimed, services: Services) -> timedelta | None:
    """Before the password is looked at, so that parallel guesses cannot slip past. The wait, when there is one."""
    now = services.clock.now()
    outcome = await services.store.throttles.attempt(counted, now=now)
    if not isinstance(outcome, Blocked):
        return None
    services.events.emit(
        SignInBlocked(
            at=now, correlation_id=claimed.correlation_id, client_id=claimed.client_id, ip=claimed.address
        )
    )
    return outcome.until - now


async def _check(
    found: UserAndPassword | None, counted: Sequence[AttemptLimit], claimed: Claimed, services: Services
) -> User | Unproved:
    credential = None if found is None else found.password
    password = claimed.password.reveal().decode("utf-8", "surrogatepass")
    is_right = await services.passwords.verify(None if credential is None else credential.hash, password)
    if found is None or credential is None or not is_right or not found.user.is_enabled:
        _tell(found, is_right, claimed, services)
        return Unproved(problem="disabled" if is_right else "wrong")
    # The address keeps its count: one right password must not pay for guesses at other accounts.
    await services.store.throttles.forget([limit.key for limit in counted[:2]])
    if services.passwords.needs_rehash(credential.hash):
        await _rehash(credential, password, services)
    return found.user


def _tell(found: UserAndPassword | None, is_right: bool, claimed: Claimed, services: Services) -> None:
    reason = "unknown" if found is None else "disabled" if is_right else "wrong password"
    services.events.emit(
        SignInFailed(
            at=services.clock.now(),
            correlation_id=claimed.correlation_id,
            client_id=claimed.client_id,
            user_id=None if found is None else found.user.user_id,
            ip=claimed.address,
            reason=reason,
        )
    )


async def _rehash(credential: PasswordCredential, password: str, services: Services) -> None:
    """To today's cost, unless the password has changed meanwhile, or too many wait: then the next time."""
    try:
        stronger = msgspec.structs.replace(credential, hash=await services.passwords.hash(password))
    except Busy:
        return
    await services.store.users.set_password(
        stronger, expected_hash=credential.hash, ends_everything=False, events=()
    )
