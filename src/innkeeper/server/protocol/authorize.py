"""The authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1): located first, then checked in order.

Until `locate` has returned a `Target`, nothing may be sent to the client: an error is a page. From then on every
error is an `OAuthError` and goes to the proven redirect URI. The type in hand decides, not a flag.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from innkeeper.oauth import pkce, redirect_uri
from innkeeper.oauth.errors import (
    InvalidRequest,
    InvalidTarget,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
    UntrustedRequest,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.response_type import ResponseType
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol import effective_scope, response_modes

MAX_PARAMETERS_BYTES: Final = 6 * 1024
MAX_NONCE_LENGTH: Final = 1024
TOO_LARGE: Final = "request_too_large"
MAX_AGE_LIMIT_S: Final = 10 * 365 * 86_400
RESPONSE_TYPES: Final = ("code",)
PROMPTS: Final = ("none", "login", "consent")
MAY_REPEAT: Final = frozenset({"resource"})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer, good or bad, may be sent. `redirect_uri_sent` is None when the request left it out."""

    client: Client
    redirect_uri: str
    redirect_uri_sent: str | None
    response_mode: str
    state: str | None


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that passed every check. Nothing changes it afterwards."""

    target: Target
    response_type: ResponseType
    scope: Scope
    api: Api | None
    nonce: str | None
    code_challenge: str | None
    prompt: frozenset[str]
    max_age: timedelta | None
    ui_locales: str | None


def client_id_of(parameters: Parameters) -> str:
    """The one client_id. Raises `UntrustedRequest`."""
    if "client_id" in parameters.repeated:
        raise UntrustedRequest(
            "repeated_client_id", "client_id was sent more than once.", "Send client_id exactly once."
        )
    client_id = parameters.get("client_id")
    if client_id is None:
        raise UntrustedRequest(
            "missing_client_id", "The request has no client_id.", "Add the client_id of your app."
        )
    return client_id


def locate(parameters: Parameters, client: Client | None) -> Target:
    """Proves client and redirect URI (RFC 6749 §4.1.2.1, RFC 9700 §4.1). Raises `UntrustedRequest` and nothing else."""
    if client is None or not client.is_enabled:
        raise UntrustedRequest(
            "unknown_client",
            "There is no app with this client_id, or it is disabled.",
            "Compare client_id with `innkeeper app list`.",
        )
    _check_size(parameters)
    sent = _redirect_uri_sent(parameters, client)
    return Target(
        client=client,
        redirect_uri=client.redirect_uris[0] if sent is None else sent,
        redirect_uri_sent=sent,
        response_mode=_answerable_mode(parameters),
        # A repeated state cannot be trusted to be the client's own, so none is returned.
        state=None if "state" in parameters.repeated else parameters.get("state"),
    )


def _check_size(parameters: Parameters) -> None:
    """The request travels with the browser while a person signs in; what cannot travel out cannot travel back."""
    total = sum(len(name.encode()) + len(value.encode()) for name, value in parameters.pairs)
    if total > MAX_PARAMETERS_BYTES:
        raise too_large(f"The parameters have {total} bytes, {MAX_PARAMETERS_BYTES} can be taken.")


def too_large(cause: str) -> UntrustedRequest:
    """Its page has words of its own."""
    fix = "Send less: keep what `state` stands for in your app, and send a short key to it."
    return UntrustedRequest(TOO_LARGE, cause, fix)


def _redirect_uri_sent(parameters: Parameters, client: Client) -> str | None:
    if "redirect_uri" in parameters.repeated:
        raise UntrustedRequest(
            "repeated_redirect_uri",
            "redirect_uri was sent more than once.",
            "Send redirect_uri exactly once.",
        )
    sent = parameters.get("redirect_uri")
    if sent is None:
        # RFC 6749 §3.1.2.3 lets it be left out when exactly one is registered; OIDC Core §3.1.2.1 never does.
        is_openid = "openid" in (parameters.get("scope") or "").split()
        if len(client.redirect_uris) != 1 or is_openid:
            raise UntrustedRequest(
                "missing_redirect_uri",
                "The request has no redirect_uri.",
                "Add one of the app's redirect URIs.",
            )
        return None
    if not redirect_uri.matches(sent, client.redirect_uris, loopback_port_free=client.type == "native"):
        registered = ", ".join(client.redirect_uris) or "none"
        raise UntrustedRequest(
            "redirect_uri_not_registered",
            f"The app {client.client_id} has not registered this redirect_uri: {sent}",
            f"Send one that is registered, the same to the letter ({registered}), or add it with "
            f"`innkeeper app change {client.client_id} --add-callback URL`.",
        )
    return sent


def _answerable_mode(parameters: Parameters) -> str:
    """The mode for answers; an impossible one is reported in the response type's default mode."""
    wanted = parameters.get("response_mode")
    if (
        wanted is not None
        and "response_mode" not in parameters.repeated
        and response_modes.named(wanted) is not None
    ):
        return wanted
    return "query"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What checks look at."""

    parameters: Parameters
    client: Client
    registry: RegistrySnapshot
    default_audience: str | None

    @property
    def api(self) -> Api | None:
        """The API that is asked for. Raises `InvalidTarget`."""
        return api_named(self.parameters, self.registry, default_audience=self.default_audience)


def no_repetition(draft: Draft) -> None:
    """RFC 6749 §3.1, but for `resource` (RFC 8707 §2)."""
    if repeated := draft.parameters.repeated - MAY_REPEAT:
        raise InvalidRequest(f"Sent more than once: {', '.join(sorted(repeated))}.")


def no_request_object(draft: Draft) -> None:
    """OIDC Core §6: refused by its own codes rather than ignored, since it would carry the real parameters."""
    if draft.parameters.get("request") is not None:
        raise RequestNotSupported("Request objects are not supported.")
    if draft.parameters.get("request_uri") is not None:
        raise RequestUriNotSupported("request_uri is not supported.")
    if draft.parameters.get("registration") is not None:
        raise RegistrationNotSupported("The registration parameter is not supported.")


def response_type(draft: Draft) -> None:
    """Known, supported, and allowed to this client."""
    wanted = ResponseType.parse(draft.parameters.require("response_type"))
    if str(wanted) not in RESPONSE_TYPES:
        raise UnsupportedResponseType(f"The response type {wanted} is not supported.")
    if str(wanted) not in draft.client.response_types:
        raise UnauthorizedClient(f"This app may not use the response type {wanted}.")


def response_mode(draft: Draft) -> None:
    """One that exists."""
    wanted = draft.parameters.get("response_mode")
    if wanted is not None and response_modes.named(wanted) is None:
        raise InvalidRequest("This response_mode is not supported.")


def code_challenge(draft: Draft) -> None:
    """S256 and nothing else; required unless this confidential client is exempt (RFC 7636 §4.3, RFC 9700 §2.1.1)."""
    challenge = draft.parameters.get("code_challenge")
    method = draft.parameters.get("code_challenge_method")
    if challenge is not None:
        pkce.check_challenge(challenge, method)
    elif method is not None or "code_challenge" in draft.parameters.names:
        raise InvalidRequest("code_challenge is missing.")
    elif draft.client.is_public or draft.client.require_pkce:
        raise InvalidRequest("PKCE is required: send code_challenge and code_challenge_method=S256.")


def scope(draft: Draft) -> None:
    """Well-formed (RFC 6749 §3.3). Unknown words are dropped later, as OIDC asks."""
    Scope.parse(draft.parameters.get("scope"))


def api(draft: Draft) -> None:
    """One that exists, and that the client may ask for at all."""
    wanted = draft.api
    if wanted is not None:
        effective_scope.ceiling(wanted, draft.client)


def nonce(draft: Draft) -> None:
    """Bounded, since it is stored with the code and copied into the ID token."""
    if len(draft.parameters.get("nonce") or "") > MAX_NONCE_LENGTH:
        raise InvalidRequest(f"nonce is longer than {MAX_NONCE_LENGTH} characters.")


def prompt(draft: Draft) -> None:
    """OIDC Core §3.1.2.1: `none` stands alone."""
    words = (draft.parameters.get("prompt") or "").split()
    if unknown := [word for word in words if word not in PROMPTS]:
        raise InvalidRequest(f"This prompt is not supported: {unknown[0][:40]}")
    if "none" in words and len(words) > 1:
        raise InvalidRequest("prompt=none cannot be combined with another value.")


def max_age(draft: Draft) -> None:
    """A whole number of seconds, not negative."""
    text = draft.parameters.get("max_age")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("max_age must be a whole number of seconds.")


CHECKS: Final[tuple[Callable[[Draft], None], ...]] = (
    no_repetition,
    no_request_object,
    response_type,
    response_mode,
    code_challenge,
    scope,
    api,
    nonce,
    prompt,
    max_age,
)


def validate(
    parameters: Parameters, target: Target, registry: RegistrySnapshot, *, default_audience: str | None
) -> AuthorizationRequest:
    """Runs every check in order, then builds the request. Raises `OAuthError`."""
    draft = Draft(
        parameters=parameters, client=target.client, registry=registry, default_audience=default_audience
    )
    for check in CHECKS:
        check(draft)
    wanted_api = draft.api
    age = parameters.get("max_age")
    asked = parameters.get("scope")
    answer = ResponseType.parse(parameters.require("response_type"))
    wanted = effective_scope.requested(None if asked is None else Scope.parse(asked), wanted_api)
    if "code" not in answer:  # ignored where no code could become a refresh token (OIDC Core §11)
        wanted = wanted - Scope((effective_scope.OFFLINE_ACCESS,))
    return AuthorizationRequest(
        target=target,
        response_type=answer,
        scope=wanted,
        api=wanted_api,
        nonce=parameters.get("nonce"),
        code_challenge=parameters.get("code_challenge"),
        prompt=frozenset((parameters.get("prompt") or "").split()),
        max_age=None if age is None else timedelta(seconds=min(int(age), MAX_AGE_LIMIT_S)),
        ui_locales=parameters.get("ui_locales"),
    )


def api_named(
    parameters: Parameters, registry: RegistrySnapshot, *, default_audience: str | None
) -> Api | None:
    """The API that `audience` or `resource` (RFC 8707) names; one API per access token. Raises `InvalidTarget`."""
    named = {value for name, value in parameters.pairs if name in ("audience", "resource") and value}
    if not named and default_audience is not None:
        named = {default_audience}
    if not named:
        return None
    if len(named) > 1:
        raise InvalidTarget("An access token is for one API: audience and resource name different ones.")
    found = registry.apis.get(ApiIdentifier(named.pop()))
    if found is None:
        raise InvalidTarget("There is no API with this identifier.")
    return found
