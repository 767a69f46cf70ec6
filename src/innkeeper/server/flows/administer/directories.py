"""Directories: sets of people with names and passwords of their own."""

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.directories import is_name
from innkeeper.server.identity.identifiers import domain_of_addresses
from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.storage.outcomes import Conflict, Done, Missing


class DirectoryChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves a value as it is."""

    label: str | None = None
    email_domains: tuple[str, ...] | None = None


async def find(services: Services, name: str) -> Directory:
    """The directory, or `Refused` with the remedy. The default one shows what it is, but has no record."""
    if name == DEFAULT_DIRECTORY:
        return Directory(name=DEFAULT_DIRECTORY, label="Default")
    directory = await services.store.directories.get(DirectoryName(name))
    if directory is None:
        raise Refused(
            f"There is no directory {name!r}. `innkeeper directory list` shows them; names are matched by case."
        )
    return directory


async def create(services: Services, name: str, changes: DirectoryChanges) -> Directory:
    """The running server knows it within one second."""
    if not is_name(name):
        raise Refused("A directory's name has 1 to 64 letters, digits, hyphens and underscores.")
    directory = _applied(Directory(name=DirectoryName(name), label=name), changes)
    outcome = await services.store.directories.create(
        directory, events=changed(services, "directory", name, "created")
    )
    if isinstance(outcome, Conflict):
        raise _refused(outcome, directory)
    return directory


async def change(services: Services, name: str, changes: DirectoryChanges) -> Directory:
    """Its name never changes: apps send it."""
    _check_has_record(name)

    async def write(directory: Directory) -> Done | Conflict | Missing:
        outcome = await services.store.directories.replace(
            directory, events=changed(services, "directory", name, "changed")
        )
        if isinstance(outcome, Conflict) and outcome.what != "revision":
            raise _refused(outcome, directory)
        return outcome

    return await replace(
        services.store,
        lambda: find(services, name),
        lambda directory: _applied(directory, changes),
        write,
    )


async def delete(services: Services, name: str) -> None:
    """Only one that nobody is in any more: people would be left without a place to sign in."""
    _check_has_record(name)
    await find(services, name)
    events = changed(services, "directory", name, "deleted")
    outcome = await services.store.directories.delete(DirectoryName(name), events=events)
    if isinstance(outcome, Conflict):
        if outcome.what == "issuers":
            raise Refused(
                f"A trusted issuer speaks of the people of {name}: `innkeeper issuer list` shows it."
            )
        raise Refused(f"There are people in {name}. `innkeeper user delete` removes them, one by one.")
    if isinstance(outcome, Missing):
        raise Refused("The directory was deleted in this moment.")


def _check_has_record(name: str) -> None:
    if name == DEFAULT_DIRECTORY:
        raise Refused("The default directory is always there and cannot be changed or deleted.")


def _applied(directory: Directory, changes: DirectoryChanges) -> Directory:
    if changes.label is not None:
        directory = with_changes(directory, label=changes.label)
    if changes.email_domains is not None:
        domains = tuple(_domain(text) for text in changes.email_domains if text)
        directory = with_changes(directory, email_domains=tuple(dict.fromkeys(domains)))
    if not directory.label.strip() or len(directory.label) > 100 or not directory.label.isprintable():
        raise Refused(
            "A directory's label has 1 to 100 visible characters: people read it when they sign in."
        )
    return directory


def _domain(text: str) -> str:
    found = domain_of_addresses(text)
    if found is None:
        raise Refused(f"{text!r} is not the domain of an e-mail address: write it as in contractor.example.")
    return found


def _refused(conflict: Conflict, directory: Directory) -> Refused:
    if conflict.what == "name":
        return Refused(
            f"The directory {directory.name!r} exists already."
            f" `innkeeper directory change {directory.name}` changes it."
        )
    return Refused(f"{conflict.what} is taken: addresses of it belong to another directory.")
