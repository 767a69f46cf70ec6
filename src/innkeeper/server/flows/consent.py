"""Asking for consent or confirmation, and recording the answer (R-CN1 to R-CN7)."""

from collections.abc import Collection

import msgspec

from innkeeper.oauth.errors import AccessDenied
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import authorize
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.authorize import Pending
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.model.events import ConsentDenied, ConsentGiven
from innkeeper.server.protocol import consent
from innkeeper.server.protocol.interaction import AskConsent, Confirm, Progress
from innkeeper.server.storage.outcomes import Done

REQUIRED = Scope(("openid",))
"""Without it nobody would be signed in: shown, but not a box to untick."""


async def view(handle: str, browser: Browser, services: Services) -> Pending | authorize.Outcome:
    """The pending request whose step is `AskConsent` or `Confirm`, or what comes next when neither is needed."""
    interaction = interactions.unseal(handle, browser.binding, services)
    pending = await authorize.load_or_refuse(interaction, browser, services)
    if isinstance(pending, Pending) and isinstance(pending.step, AskConsent | Confirm):
        return pending
    return await authorize.advance(interaction, browser, services)


def asking(pending: Pending) -> interactions.Interaction:
    """The interaction for the form of the page: it takes the answer of the person who is shown it, to what it shows."""
    assert pending.signed_in is not None
    sid = pending.signed_in.session.sid
    before = pending.interaction
    progress = msgspec.structs.replace(before.progress, asked=sid, boxes=_boxes(pending))
    return before.with_progress(progress)


async def allow(
    handle: str, ticked: Collection[str], browser: Browser, services: Services
) -> authorize.Outcome:
    """Remembers what was ticked of what was missing, then goes on."""
    pending = await view(handle, browser, services)
    if not isinstance(pending, Pending):
        return pending
    assert pending.signed_in is not None
    before = pending.interaction.progress
    if before.asked != pending.signed_in.session.sid:
        # Another person has signed in since in another tab: they are asked themselves.
        return await authorize.advance(pending.interaction, browser, services)
    progress = Progress(
        authenticated=before.authenticated,
        account_chosen=before.account_chosen,
        answered_by=pending.signed_in.session.sid,
        confirmed=True,
        pages_shown=True,
    )
    if before.boxes != _boxes(pending):
        # Rights, consents or the API have changed since: this answer is to another question.
        return await authorize.advance(pending.interaction, browser, services)
    if isinstance(pending.step, AskConsent):
        # Only what was on the page counts; what else a form may hold is not even read as a scope.
        missing = pending.step.missing
        given = Scope(word for word in missing if word in ticked or word in REQUIRED)
        if not given and missing == pending.step.asked:
            return await deny(handle, browser, services)  # every box is empty: a no, and not one to remember
        if not await _remember(pending, pending.step, given, browser, services):
            await services.registry.refresh()
            return await authorize.advance(pending.interaction, browser, services)
        progress = msgspec.structs.replace(progress, consent_answered=tuple(given))
    return await authorize.advance(pending.interaction.with_progress(progress), browser, services)


async def deny(handle: str, browser: Browser, services: Services) -> authorize.Outcome:
    """Back to the app with `access_denied`; nothing is issued or remembered (R-CN2)."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.target_of(interaction, browser, services)
    services.events.emit(
        ConsentDenied(
            at=services.clock.now(),
            correlation_id=browser.correlation_id,
            client_id=target.client.client_id,
            ip=browser.address,
        )
    )
    return await authorize.refuse(target, AccessDenied("The person did not allow it."), browser, services)


def _boxes(pending: Pending) -> tuple[str, ...] | None:
    """What the page asks for; None when it only asks for a confirmation."""
    return tuple(sorted(pending.step.missing)) if isinstance(pending.step, AskConsent) else None


async def _remember(
    pending: Pending, step: AskConsent, given: Scope, browser: Browser, services: Services
) -> bool:
    """False when app or person changed meanwhile: the question has to be asked again."""
    assert pending.signed_in is not None
    user, client, api = pending.signed_in.user, pending.request.target.client, pending.request.api
    is_partial = not step.missing <= given
    event = ConsentGiven(
        at=services.clock.now(),
        correlation_id=browser.correlation_id,
        client_id=client.client_id,
        user_id=user.user_id,
        ip=browser.address,
        api=None if api is None else api.identifier,
        scope=str(given),
    )
    outcome = await services.store.consents.allow(
        user.user_id,
        client.client_id,
        consent.by_api(given, api),
        answered=(None if api is None else api.identifier, step.asked if is_partial else Scope()),
        epochs=authorize.epochs(pending),
        now=event.at,
        events=[event],
    )
    if isinstance(outcome, Done):
        services.events.emit(event)
        return True
    return False
