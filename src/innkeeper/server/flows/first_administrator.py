"""The first administrator chooses name and password, by a link that works once."""

import msgspec

from innkeeper.server.flows.fresh import new_attempt, new_subject
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.identifiers import email_problem, identifiers_of, username_problem
from innkeeper.server.identity.password_policy import problem_with
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import RecordChanged
from innkeeper.server.model.handle import key_of
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import Conflict, Done

ADMINISTRATOR = "Administrator"


class LinkRefused(Exception):
    """Unknown, used or too old."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What the person typed."""

    username: str
    email: str
    password: str

    def __repr__(self) -> str:
        return "Chosen(***)"


async def find(link: str, services: Services) -> OneTimeLink:
    """The link, if it still works. Raises `LinkRefused`."""
    key = key_of("ik_ln_", link)
    found = None if key is None else await services.store.links.get(key)
    if found is None or services.clock.now() >= found.expires_at:
        raise LinkRefused
    return found


async def create(link: str, chosen: Chosen, address: str, services: Services) -> str | None:
    """None when done, otherwise the key of a message. Raises `LinkRefused`, `Busy`."""
    found = await find(link, services)
    if problem := _problem(chosen, services):
        return problem
    now = services.clock.now()
    user = User(
        user_id=new_subject(services.entropy),
        username=chosen.username.strip(),
        email=chosen.email.strip() or None,
        created_at=now,
        updated_at=now,
        roles=(ADMINISTRATOR,),
    )
    event = RecordChanged(
        at=now, ip=address, kind="user", id=user.user_id, change="first administrator created"
    )
    outcome = await services.store.links.create_first_administrator(
        found.key,
        user,
        identifiers=identifiers_of(user),
        password=PasswordCredential(
            user_id=user.user_id, hash=await services.passwords.hash(chosen.password), changed_at=now
        ),
        attempt=new_attempt(services.entropy),
        now=now,
        events=[event],
    )
    match outcome:
        case Done():
            services.events.emit(event)
            return None
        case Conflict():
            return "taken"
        case _:
            raise LinkRefused


def _problem(chosen: Chosen, services: Services) -> str | None:
    if problem := username_problem(chosen.username):
        return "username_" + problem
    if chosen.email.strip() and (problem := email_problem(chosen.email)):
        return "email_" + problem
    minimum = services.settings.sign_in.password_minimum_length
    words = (chosen.username, chosen.email.partition("@")[0])
    problem = problem_with(chosen.password, minimum_length=minimum, words=words)
    return None if problem is None else "password_" + problem
