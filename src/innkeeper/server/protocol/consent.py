"""Who has to be asked, and for what (decision: third parties always, once per person, API and scope)."""

from collections.abc import Sequence
from datetime import datetime

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS, OIDC_SCOPES

OFFLINE = Scope((OFFLINE_ACCESS,))


def may_skip(client: Client, api: Api | None) -> bool:
    """Only for a first-party client, and only where the API allows it (R-CN5)."""
    return client.is_first_party and (api is None or api.skip_consent)


def remembered(consents: Sequence[Consent], api: Api | None, now: datetime) -> Scope:
    """What this person has allowed this client before, for the identity scopes and for this API.

    Offline access that was allowed without an API is none to this API: it would reach further than was said.
    """
    identifier = None if api is None else api.identifier
    scope = Scope()
    for consent in consents:
        if consent.expires_at is not None and now >= consent.expires_at:
            continue
        if consent.api is not None and api is not None and api.is_younger_than(consent.granted_at):
            continue
        if consent.api == identifier:
            scope = scope | Scope(consent.scope)
        elif consent.api is None:
            scope = scope | (Scope(consent.scope) - OFFLINE)
    return scope


def lapsed(consents: Sequence[Consent], api: Api | None, now: datetime) -> Scope:
    """What was allowed for a time that is over, and not again since."""
    identifier = None if api is None else api.identifier
    over = Scope()
    for consent in consents:
        if consent.expires_at is not None and now >= consent.expires_at and consent.api in (None, identifier):
            over = over | Scope(consent.scope)
    return over - remembered(consents, api, now) if over else over


def was_answered(consents: Sequence[Consent], api: Api | None, asked: Scope) -> bool:
    """The very same request was answered before with something left out: it is not asked again (asked once)."""
    identifier = api.identifier if api is not None else None
    return any(
        consent.api == identifier and Scope(consent.answered) == asked
        for consent in consents
        if consent.answered and not (api is not None and api.is_younger_than(consent.granted_at))
    )


def by_api(scope: Scope, api: Api | None) -> list[tuple[ApiIdentifier | None, Scope]]:
    """How an answer is stored: identity scopes under no API, the rest under theirs, offline access among it."""
    oidc = scope & (Scope(OIDC_SCOPES) | (OFFLINE if api is None else Scope()))
    rest = scope - oidc
    additions: list[tuple[ApiIdentifier | None, Scope]] = [(None, oidc)] if oidc else []
    if api is not None and rest:
        additions.append((api.identifier, rest))
    return additions


def epoch_of(consents: Sequence[Consent], api: Api | None) -> int:
    """The epoch that a grant for this API carries; without a row, zero."""
    identifier = api.identifier if api is not None else None
    return next((consent.epoch for consent in consents if consent.api == identifier), 0)
