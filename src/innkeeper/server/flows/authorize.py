"""GET and POST /authorize, and the dispatcher that every page returns to.

begin: locate, validate. advance: load, next_step, then show that step's page or complete the authorization. Steps
never call each other: each records its result in the progress and comes back here.
"""

from typing import Literal

import msgspec

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import device_answers
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser, SignedIn, signed_in
from innkeeper.server.flows.complete import Finished, complete
from innkeeper.server.flows.deciding import MAX_TRIES, kept_changing
from innkeeper.server.flows.id_tokens import hinted
from innkeeper.server.flows.interaction import Interaction
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.directories import qualified
from innkeeper.server.identity.identifiers import identifiers_of, normalise
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.events import AuthorizationRefused
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.model.user import User
from innkeeper.server.protocol import authorize, consent, device, response_modes
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.interaction import (
    AskConsent,
    Choose,
    Confirm,
    ConfirmDevice,
    Issue,
    KnownAs,
    SignIn,
    Step,
    next_step,
)
from innkeeper.server.protocol.response_modes import Delivery, Redirection
from innkeeper.server.protocol.target import Target, client_id_of, locate


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The authorization response, success or error, on its way back to the client in the mode of the request."""

    target: Target
    delivery: Delivery


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """A page has to be shown; `interaction` must be sealed for this browser."""

    page: Literal["sign-in", "select-account", "device", "consent"]
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


async def target_of(interaction: Interaction, browser: Browser, services: Services) -> Target:
    """Whose request this is, on today's registry. Raises `UntrustedRequest`, `DeviceGone`."""
    if interaction.device is not None:
        return await device_answers.target_of(interaction.device, browser, services)
    return await find_target(interaction.request(), services)


async def begin(parameters: Parameters, browser: Browser, services: Services) -> Outcome:
    """A request has arrived by our own GET. Raises `UntrustedRequest`, `StoreUnavailable`."""
    return await advance(interactions.new(parameters, services), browser, services)


async def advance(interaction: Interaction, browser: Browser, services: Services) -> Outcome:
    """The one place that decides what comes next."""
    target = await target_of(interaction, browser, services)
    try:
        for _ in range(MAX_TRIES):
            pending = await load(interaction, browser, services)
            match pending.step:
                case SignIn():
                    return Show(page="sign-in", interaction=pending.interaction)
                case Choose():
                    return Show(page="select-account", interaction=pending.interaction)
                case ConfirmDevice():
                    return Show(page="device", interaction=pending.interaction)
                case AskConsent() | Confirm():
                    return Show(page="consent", interaction=pending.interaction)
                case Issue() as issue:
                    done = await _complete(pending, issue, browser, services)
                    if done is not None:
                        return done
            await services.registry.refresh()
            target = await target_of(interaction, browser, services)
        raise kept_changing()
    except OAuthError as error:
        return await refuse(target, error, browser, services)


async def load(interaction: Interaction, browser: Browser, services: Services) -> Pending:
    """Checks the request on today's registry and judges the next step. Raises `UntrustedRequest`, `OAuthError`."""
    registry = services.registry.snapshot
    target = await target_of(interaction, browser, services)
    if target.device is not None:
        request = device.request(target, registry)
    else:
        request = _validated(interaction.request(), target, registry, services)
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
        None if person is None else _known_as(person.user, request, services),
    )
    return Pending(interaction=interaction, request=request, signed_in=person, consents=remembered, step=step)


async def load_or_refuse(interaction: Interaction, browser: Browser, services: Services) -> Pending | Answer:
    """For the pages of one step: what `load` raises is the client's to hear. Raises `UntrustedRequest`."""
    try:
        return await load(interaction, browser, services)
    except OAuthError as error:
        return await refuse(await target_of(interaction, browser, services), error, browser, services)


def _validated(
    parameters: Parameters, target: Target, registry: RegistrySnapshot, services: Services
) -> AuthorizationRequest:
    text = parameters.get("id_token_hint")
    hint = None if text is None else hinted(text, target.client.client_id, services)
    subject = None if hint is None else hint.subject
    return authorize.validate(parameters, target, registry, services.settings, hinted=subject)


def _known_as(user: User, request: AuthorizationRequest, services: Services) -> KnownAs:
    """A hint that can be nobody's name, or is the person's `sub`, is no reason to doubt (OIDC Core §3.1.2.1)."""
    subject, hint = services.subjects.of(user, request.target.client), request.login_hint
    name = None if hint is None else normalise(hint)
    is_hinted = name is None or hint == subject or qualified(user.directory, name) in identifiers_of(user)
    if "none" in request.prompt and not request.target.client.is_first_party:
        is_hinted = True  # or an app of somebody else could try names in silence until one fits
    return KnownAs(subject=subject, is_hinted=is_hinted)


async def refuse(target: Target, error: OAuthError, browser: Browser, services: Services) -> Answer:
    """RFC 6749 §4.1.2.1: the error goes to the proven redirect URI, with `state` and `iss`; a device fetches it."""
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
    if target.device is not None:
        path = await device_answers.refuse(target, error, browser, services)
        return Answer(target=target, delivery=Redirection(location=path))
    return answer(target, [("error", error.code), ("error_description", error.description)], services)


def answer(target: Target, parameters: list[tuple[str, str]], services: Services) -> Answer:
    """Adds `state` and `iss` (RFC 9207) and sends it in the mode of the request."""
    if target.state is not None:
        parameters = [*parameters, ("state", target.state)]
    mode = response_modes.named(target.response_mode)
    assert mode is not None
    delivery = mode.deliver(target.redirect_uri, [*parameters, ("iss", services.settings.issuer)])
    return Answer(target=target, delivery=delivery)


async def _complete(pending: Pending, issue: Issue, browser: Browser, services: Services) -> Answer | None:
    """None when something moved meanwhile."""
    target = pending.request.target
    assert pending.signed_in is not None
    await _forget_other_answer(pending, issue.asked, services)
    finished = Finished(
        request=pending.request,
        person=pending.signed_in,
        scope=issue.scope,
        claims=issue.claims,
        epochs=epochs(pending),
    )
    if target.device is not None:
        path = await device_answers.approve(finished, browser, services)
        return None if path is None else Answer(target=target, delivery=Redirection(location=path))
    given = await complete(finished, browser, services)
    return None if given is None else answer(target, given, services)


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
