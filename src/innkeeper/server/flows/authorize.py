"""GET and POST /authorize, and the dispatcher that every page returns to.

begin: locate, validate. advance: load, next_step, then show that step's page or complete the authorization. Steps
never call each other: each records its result in the progress and comes back here.
"""

from typing import Literal

import msgspec

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser, SignedIn, signed_in
from innkeeper.server.flows.complete import Finished, complete
from innkeeper.server.flows.deciding import MAX_TRIES, kept_changing
from innkeeper.server.flows.interaction import Interaction
from innkeeper.server.flows.services import Services
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.events import AuthorizationRefused
from innkeeper.server.model.grant import Epochs
from innkeeper.server.protocol import authorize, consent, response_modes
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.interaction import AskConsent, Confirm, Issue, SignIn, Step, next_step
from innkeeper.server.protocol.response_modes import Delivery
from innkeeper.server.protocol.target import Target, client_id_of, locate


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The authorization response, success or error, on its way back to the client in the mode of the request."""

    target: Target
    delivery: Delivery


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """A page has to be shown; `interaction` must be sealed for this browser."""

    page: Literal["sign-in", "consent"]
    interaction: Interaction


Outcome = Answer | Show


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request, who is signed in, what they allowed before, and what comes next."""

    interaction: Interaction
    request: AuthorizationRequest
    signed_in: SignedIn | None
    consents: tuple[Consent, ...]
    step: Step


async def find_target(parameters: Parameters, services: Services) -> Target:
    """Proves client and redirect URI. Raises `UntrustedRequest`."""
    return locate(parameters, await services.registry.client(client_id_of(parameters)))


async def begin(parameters: Parameters, browser: Browser, services: Services) -> Outcome:
    """A request has arrived by our own GET. Raises `UntrustedRequest`, `StoreUnavailable`."""
    return await advance(interactions.new(parameters, services), browser, services)


async def advance(interaction: Interaction, browser: Browser, services: Services) -> Outcome:
    """The one place that decides what comes next."""
    target = await find_target(interaction.request(), services)
    try:
        for _ in range(MAX_TRIES):
            pending = await load(interaction, browser, services)
            match pending.step:
                case SignIn():
                    return Show(page="sign-in", interaction=pending.interaction)
                case AskConsent() | Confirm():
                    return Show(page="consent", interaction=pending.interaction)
                case Issue() as issue:
                    given = await _complete(pending, issue, browser, services)
                    if given is not None:
                        return answer(target, given, services)
            await services.registry.refresh()
            target = await find_target(interaction.request(), services)
        raise kept_changing()
    except OAuthError as error:
        return refuse(target, error, browser, services)


async def load(interaction: Interaction, browser: Browser, services: Services) -> Pending:
    """Checks the request on today's registry and judges the next step. Raises `UntrustedRequest`, `OAuthError`."""
    parameters = interaction.request()
    registry = services.registry.snapshot
    target = await find_target(parameters, services)
    request = authorize.validate(parameters, target, registry, services.settings)
    person = await signed_in(browser, services)
    remembered: tuple[Consent, ...] = ()
    if person is not None:
        remembered = await services.store.consents.of(person.user.user_id, target.client.client_id)
    step = next_step(
        request,
        None if person is None else person.session,
        None if person is None else person.user,
        remembered,
        registry.roles,
        interaction.progress,
        services.clock.now(),
    )
    return Pending(interaction=interaction, request=request, signed_in=person, consents=remembered, step=step)


def refuse(target: Target, error: OAuthError, browser: Browser, services: Services) -> Answer:
    """RFC 6749 §4.1.2.1: the error goes to the proven redirect URI, with `state` and `iss`."""
    services.events.emit(
        AuthorizationRefused(
            at=services.clock.now(),
            correlation_id=browser.correlation_id,
            client_id=target.client.client_id,
            ip=browser.address,
            error=error.code,
            detail=error.detail or error.description,
        )
    )
    return answer(target, [("error", error.code), ("error_description", error.description)], services)


def answer(target: Target, parameters: list[tuple[str, str]], services: Services) -> Answer:
    """Adds `state` and `iss` (RFC 9207) and sends it in the mode of the request."""
    if target.state is not None:
        parameters = [*parameters, ("state", target.state)]
    mode = response_modes.named(target.response_mode)
    assert mode is not None
    delivery = mode.deliver(target.redirect_uri, [*parameters, ("iss", services.settings.issuer)])
    return Answer(target=target, delivery=delivery)


async def _complete(
    pending: Pending, issue: Issue, browser: Browser, services: Services
) -> list[tuple[str, str]] | None:
    """The parameters of the answer. None when something moved meanwhile."""
    assert pending.signed_in is not None
    await _forget_other_answer(pending, issue.asked, services)
    finished = Finished(
        request=pending.request, person=pending.signed_in, scope=issue.scope, epochs=epochs(pending)
    )
    return await complete(finished, browser, services)


def epochs(pending: Pending) -> Epochs:
    """What this decision stands on."""
    assert pending.signed_in is not None
    client = pending.request.target.client
    return Epochs(
        client_revision=client.revision,
        client_epoch=client.epoch,
        user_epoch=pending.signed_in.user.epoch,
        consent_epoch=consent.epoch_of(pending.consents, pending.request.api),
    )


async def _forget_other_answer(pending: Pending, asked: Scope, services: Services) -> None:
    """An app that asks for something else meanwhile may ask again for what was left out."""
    api = pending.request.api
    identifier = None if api is None else api.identifier
    row = next((row for row in pending.consents if row.api == identifier), None)
    if row is None or not row.answered or Scope(row.answered) == asked:
        return
    await services.store.consents.allow(
        row.user_id,
        row.client_id,
        (),
        answered=(identifier, Scope()),
        epochs=epochs(pending),
        now=services.clock.now(),
        events=(),
    )
