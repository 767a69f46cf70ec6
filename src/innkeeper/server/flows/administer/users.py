"""People: created, changed, disabled, given passwords, deleted; their consents taken back."""

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.server.flows import fresh
from innkeeper.server.flows.administer import clients, roles
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.identity import identifiers, password_policy
from innkeeper.server.identity.directories import bare, qualified
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.events import ConsentRevoked
from innkeeper.server.model.identifiers import DirectoryName, Subject
from innkeeper.server.model.role import Permission
from innkeeper.server.model.user import Address, Profile, User
from innkeeper.server.storage.outcomes import Conflict, Missing

_PASSWORD_PROBLEMS: Final = {
    "too_short": "The password has fewer than {minimum} characters. A few unrelated words are good.",
    "too_long": "The password has more than 256 characters.",
    "contains_name": "The password is little more than the person's name or address.",
    "too_common": "The password is among the first that anybody tries. A few unrelated words are better.",
}
_NAME_PROBLEMS: Final = {
    "too_long": "is too long",
    "not_allowed": "holds a character that is not allowed: letters, digits and . _ - are",
    "looks_like_email": "looks like an e-mail address",
    "looks_like_phone": "looks like a phone number",
    "not_an_email": "is not an e-mail address",
}
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """Without a password the person cannot sign in yet."""

    username: str
    directory: DirectoryName = DEFAULT_DIRECTORY
    password: str | None = None
    is_generated: bool = False
    """The password was drawn at random, so nobody needs to judge it."""
    email: str | None = None
    email_verified: bool = False
    phone_number: str | None = None
    phone_number_verified: bool = False
    profile: Profile = Profile()
    address: Address | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()


class UserChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves a value as it is, an empty text takes it away."""

    username: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    phone_number: str | None = None
    phone_number_verified: bool | None = None
    profile: dict[str, str] = {}
    add_roles: tuple[str, ...] = ()
    remove_roles: tuple[str, ...] = ()
    allow: tuple[Permission, ...] = ()
    forbid: tuple[Permission, ...] = ()


async def find(services: Services, who: str) -> User:
    """By username, e-mail, phone number or `sub`; `Refused` with the remedy.

    `contractors:carl` is carl of that directory: no name that a person may have holds a colon.
    """
    if "|" in who:
        user = await services.store.users.get(Subject(who))
    else:
        directory, _, typed = who.rpartition(":")
        name = identifiers.normalise(typed)
        key = qualified(DirectoryName(directory or DEFAULT_DIRECTORY), name or "")
        found = await services.store.users.for_sign_in(key) if name else None
        user = found.user if found else None
    if user is None:
        raise Refused(f"There is no user {who!r}. `innkeeper user list` shows them.")
    return user


async def create(services: Services, wanted: NewUser) -> User:
    """The person can sign in at once if there is a password."""
    now = services.clock.now()
    fields = msgspec.structs.asdict(wanted)
    password, is_generated = fields.pop("password"), fields.pop("is_generated")
    user = User(user_id=fresh.new_subject(services.entropy), created_at=now, updated_at=now, **fields)
    _check(user)
    await _check_roles(services, user.roles)
    await roles.check_permissions(services, user.permissions)
    credential = None
    if password is not None:
        credential = await _credential(services, user, password, is_generated=is_generated)
    outcome = await services.store.users.create(
        user,
        identifiers=identifiers.identifiers_of(user),
        password=credential,
        events=changed(services, "user", user.user_id, "created"),
    )
    if isinstance(outcome, Conflict):
        raise Refused(f"{bare(outcome.what)} is taken: another person signs in with it.")
    if isinstance(outcome, Missing):
        raise Refused(f"There is no directory {user.directory!r}. `innkeeper directory list` shows them.")
    return user


async def change(services: Services, who: str, changes: UserChanges) -> User:
    """Roles and permissions count from the next token on."""
    await _check_roles(services, changes.add_roles)
    await roles.check_permissions(services, changes.allow)
    user_id = (await find(services, who)).user_id

    def decide(user: User) -> User:
        after = _applied(user, changes)
        _check(after)
        return after if after == user else with_changes(after, updated_at=services.clock.now())

    return await _replace(services, user_id, decide, "changed")


async def set_enabled(services: Services, who: str, *, is_enabled: bool) -> User:
    """Disabling ends sessions and everything issued so far at once; enabling does not bring it back."""
    user_id = (await find(services, who)).user_id

    def decide(user: User) -> User:
        if user.is_enabled == is_enabled:
            return user
        epoch = user.epoch if is_enabled else user.epoch + 1
        return with_changes(user, is_enabled=is_enabled, epoch=epoch, updated_at=services.clock.now())

    return await _replace(services, user_id, decide, "enabled" if is_enabled else "disabled")


async def set_password(services: Services, who: str, password: str, *, is_generated: bool = False) -> User:
    """Whoever knew the old password is out: sessions and grants end."""
    user = await find(services, who)
    outcome = await services.store.users.set_password(
        await _credential(services, user, password, is_generated=is_generated),
        expected_hash=None,
        ends_everything=True,
        events=changed(services, "user", user.user_id, "password set"),
    )
    if isinstance(outcome, Missing):
        raise Refused("The person was deleted in this moment.")
    return user


async def revoke_consents(services: Services, who: str, client_id: str | None) -> list[str]:
    """Takes back what the person allowed one app, or all apps; the names of the apps that lost something."""
    user = await find(services, who)
    if client_id is not None:
        chosen = [await clients.find(services, client_id)]
    else:
        chosen = list(await services.store.clients.list())
    ended = []
    for client in chosen:
        event = ConsentRevoked(at=services.clock.now(), user_id=user.user_id, client_id=client.client_id)
        outcome = await services.store.consents.revoke(user.user_id, client.client_id, events=(event,))
        if not isinstance(outcome, Missing):
            ended.append(str(client.client_id))
    return ended


async def delete(services: Services, who: str) -> User:
    """With passwords, sessions and consents. The `sub` is never given again."""
    user = await find(services, who)
    events = changed(services, "user", user.user_id, "deleted")
    if isinstance(await services.store.users.delete(user.user_id, events=events), Missing):
        raise Refused("The person was deleted in this moment.")
    return user


async def _replace(services: Services, user_id: Subject, decide: Callable[[User], User], change: str) -> User:
    async def read() -> User:
        return await find(services, user_id)

    return await replace(
        services.store,
        read,
        decide,
        lambda user: services.store.users.replace(
            user,
            identifiers=identifiers.identifiers_of(user),
            events=changed(services, "user", user_id, change),
        ),
    )


async def _credential(
    services: Services, user: User, password: str, *, is_generated: bool
) -> PasswordCredential:
    if not is_generated:
        minimum = services.settings.sign_in.password_minimum_length
        words = [part for part in (user.username, user.email, user.profile.name) if part]
        problem = password_policy.problem_with(password, minimum_length=minimum, words=["innkeeper", *words])
        if problem is not None:
            raise Refused(_PASSWORD_PROBLEMS.get(problem, problem).format(minimum=minimum))
    return PasswordCredential(
        user_id=user.user_id, hash=await services.passwords.hash(password), changed_at=services.clock.now()
    )


def _applied(user: User, changes: UserChanges) -> User:
    for role in changes.remove_roles:
        if role not in user.roles:
            raise Refused(f"{user.username} does not have the role {role!r}.")
    kept = [role for role in user.roles if role not in changes.remove_roles]
    profile = {name: value or None for name, value in changes.profile.items()}
    after = with_changes(
        user,
        profile=with_changes(user.profile, **profile),
        roles=tuple(dict.fromkeys([*kept, *changes.add_roles])),
        permissions=roles.updated(user.permissions, changes.allow, changes.forbid),
    )
    if changes.username is not None:
        after = with_changes(after, username=changes.username)
    if changes.email is not None:
        after = with_changes(after, email=changes.email or None, email_verified=False)
    if changes.email_verified is not None:
        after = with_changes(after, email_verified=changes.email_verified)
    if changes.phone_number is not None:
        after = with_changes(after, phone_number=changes.phone_number or None, phone_number_verified=False)
    if changes.phone_number_verified is not None:
        after = with_changes(after, phone_number_verified=changes.phone_number_verified)
    return after


def _check(user: User) -> None:
    problem = identifiers.username_problem(user.username)
    if problem is not None:
        raise Refused(f"The username {user.username!r} {_NAME_PROBLEMS.get(problem, problem)}.")
    problem = identifiers.email_problem(user.email) if user.email is not None else None
    if problem is not None:
        raise Refused(f"The e-mail {user.email!r} {_NAME_PROBLEMS.get(problem, problem)}.")
    if user.phone_number is not None and _PHONE.fullmatch(user.phone_number) is None:
        raise Refused(f"{user.phone_number!r}: write a phone number with its country, as in +4930123456.")
    if user.email_verified and not user.email:
        raise Refused("There is no e-mail address to call verified.")
    if user.phone_number_verified and not user.phone_number:
        raise Refused("There is no phone number to call verified.")


async def _check_roles(services: Services, names: tuple[str, ...]) -> None:
    for name in names:
        await roles.find(services, name)
