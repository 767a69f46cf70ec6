"""Trusted issuers: those of others whose statements about people are believed (RFC 7523 §2.1)."""

from typing import Final

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.server.flows.administer import client_keys
from innkeeper.server.flows.administer.client_rules import MAX_KEYS, check_fetched, check_key
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import ClientKey
from innkeeper.server.model.identifiers import ClientId, DirectoryName, IssuerName
from innkeeper.server.model.trusted_issuer import BringingApp, SubjectIs, TrustedIssuer
from innkeeper.server.storage.outcomes import Conflict, Done, Missing

MAX_NAME_CHARS: Final = 512


class IssuerChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves a value as it is. `apps` names all of them anew."""

    add_keys: tuple[ClientKey, ...] = ()
    remove_keys: tuple[str, ...] = ()
    jwks_uri: str | None = None
    """Empty: takes it away."""
    subject_is: SubjectIs | None = None
    directory: str | None = None
    apps: tuple[str, ...] | None = None


async def find(services: Services, name: str) -> TrustedIssuer:
    """The issuer, or `Refused` with the remedy."""
    issuer = await services.store.trusted_issuers.get(IssuerName(name))
    if issuer is None:
        raise Refused(
            f"There is no trusted issuer {name!r}. `innkeeper issuer list` shows them; it is the iss, byte for byte."
        )
    return issuer


async def create(services: Services, name: str, changes: IssuerChanges) -> TrustedIssuer:
    """The running server believes it within one second."""
    _check_name(name, services)
    bare = TrustedIssuer(issuer=IssuerName(name))
    issuer = _applied(bare, changes, await _apps(bare, changes, services), services)
    outcome = await services.store.trusted_issuers.create(
        issuer, events=changed(services, "trusted_issuer", name, "created")
    )
    if isinstance(outcome, Conflict):
        raise _refused(outcome, issuer)
    return issuer


async def change(services: Services, name: str, changes: IssuerChanges) -> TrustedIssuer:
    """Its name never changes: it is what its assertions say."""
    apps = await _apps(await find(services, name), changes, services)

    async def write(issuer: TrustedIssuer) -> Done | Conflict | Missing:
        outcome = await services.store.trusted_issuers.replace(
            issuer, events=changed(services, "trusted_issuer", name, "changed")
        )
        if isinstance(outcome, Conflict) and outcome.what != "revision":
            raise _refused(outcome, issuer)
        return outcome

    return await replace(
        services.store,
        lambda: find(services, name),
        lambda issuer: _applied(issuer, changes, apps, services),
        write,
    )


async def delete(services: Services, name: str) -> None:
    """From then on nothing is opened on its word. What was opened lives as long as its access token."""
    await find(services, name)
    events = changed(services, "trusted_issuer", name, "deleted")
    if isinstance(await services.store.trusted_issuers.delete(IssuerName(name), events=events), Missing):
        raise Refused("The issuer was deleted in this moment.")


def _check_name(name: str, services: Services) -> None:
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isascii() or not name.isprintable() or " " in name:
        raise Refused("An issuer's name is its iss: 1 to 512 printable ASCII characters without spaces.")
    if name == services.settings.issuer:
        raise Refused(
            "This is this server's own issuer: a token of its own is exchanged by token exchange, not believed anew."
        )


async def _apps(
    issuer: TrustedIssuer, changes: IssuerChanges, services: Services
) -> tuple[BringingApp, ...] | None:
    """Those that are named, as they are today. An app that was named before and is the same keeps its day."""
    if changes.apps is None:
        return None
    names = tuple(dict.fromkeys(name for name in changes.apps if name))
    return tuple([await _app(name, issuer, services) for name in names])


async def _app(name: str, issuer: TrustedIssuer, services: Services) -> BringingApp:
    client = await services.store.clients.get(ClientId(name))
    if client is None:
        raise Refused(f"There is no app {name!r}. `innkeeper app list` shows them.")
    if client.is_public or not client.is_first_party:
        raise Refused(f"{name} may not bring assertions: only a first-party app with a secret or a key may.")
    known = next((app for app in issuer.apps if app.client_id == client.client_id), None)
    if known is not None and issuer.may_be_brought_by(client):
        return known
    return BringingApp(client_id=client.client_id, since=services.clock.now())


def _applied(
    issuer: TrustedIssuer,
    changes: IssuerChanges,
    apps: tuple[BringingApp, ...] | None,
    services: Services,
) -> TrustedIssuer:
    now = services.clock.now()
    keys = client_keys.changed(
        issuer.keys, added=changes.add_keys, removed=changes.remove_keys, now=now, owner="issuer"
    )
    jwks_uri = issuer.jwks_uri if changes.jwks_uri is None else changes.jwks_uri or None
    directory = issuer.directory if changes.directory is None else DirectoryName(changes.directory)
    after = with_changes(
        issuer,
        keys=keys,
        jwks_uri=jwks_uri,
        directory=directory,
        subject_is=changes.subject_is or issuer.subject_is,
        apps=issuer.apps if apps is None else apps,
    )
    _check_keys(after, is_dev=services.settings.dev)
    return after


def _check_keys(issuer: TrustedIssuer, *, is_dev: bool) -> None:
    if not issuer.keys and issuer.jwks_uri is None:
        raise Refused(
            "An issuer is believed by its signature: --key FILE or --jwks-uri URL says what to check with."
        )
    if len(issuer.keys) > MAX_KEYS:
        raise Refused(f"An issuer has at most {MAX_KEYS} keys here: remove the old ones.")
    for key in issuer.keys:
        check_key(key)
    if issuer.jwks_uri is not None:
        check_fetched(issuer.jwks_uri, is_dev=is_dev)


def _refused(conflict: Conflict, issuer: TrustedIssuer) -> Refused:
    if conflict.what == "directory":
        return Refused(f"There is no directory {issuer.directory!r}. `innkeeper directory list` shows them.")
    return Refused(
        f"The issuer {issuer.issuer} is trusted already. `innkeeper issuer change {issuer.issuer}` changes it."
    )
