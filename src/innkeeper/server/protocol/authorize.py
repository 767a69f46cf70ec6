"""The authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1): once its target is proven, checked in order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from innkeeper.oauth import pkce
from innkeeper.oauth.errors import (
    InvalidRequest,
    InvalidTarget,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
    UnsupportedResponseType,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.response_type import ResponseType
from innkeeper.oauth.scope import Scope
from innkeeper.server.config import Settings
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol import claims_request, effective_scope, response_types
from innkeeper.server.protocol.acr import ACR_VALUES
from innkeeper.server.protocol.claims_request import NOTHING, ClaimsRequest
from innkeeper.server.protocol.directories import directory_named
from innkeeper.server.protocol.target import Target, why_not

MAX_NONCE_LENGTH: Final = 1024
MAX_AGE_LIMIT_S: Final = 10 * 365 * 86_400
PROMPTS: Final = ("none", "login", "consent", "select_account")
DISPLAYS: Final = ("page", "popup", "touch", "wap")
"""One page for all of them: it fits every width and needs no script."""
MAY_REPEAT: Final = frozenset({"resource"})


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
    login_hint: str | None = None
    subjects: frozenset[str] | None = None
    """The person has to be one of these: `id_token_hint`, or `sub` in `claims`. None: anybody."""
    claims: ClaimsRequest = NOTHING
    connection: str | None = None
    """The directory whose people are asked for; None: anybody."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What checks look at."""

    parameters: Parameters
    target: Target
    registry: RegistrySnapshot
    settings: Settings
    hinted: str | None

    @property
    def client(self) -> Client:
        """Who asks."""
        return self.target.client

    @property
    def response_type(self) -> ResponseType:
        """What is asked for. Raises `InvalidRequest`, `UnsupportedResponseType`."""
        return ResponseType.parse(self.parameters.require("response_type"))

    @property
    def api(self) -> Api | None:
        """The API that is asked for. Raises `InvalidTarget`."""
        return api_named(self.parameters, self.registry, default_audience=self.settings.default_audience)


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
    """Known, switched on, and allowed to this client (R-AP3, R-IM4, R-HY1)."""
    wanted = draft.response_type
    if str(wanted) not in response_types.offered(draft.settings.legacy):
        raise UnsupportedResponseType(f"The response type {wanted} is not supported.")
    is_refused = response_types.is_front_channel(wanted) and not draft.client.is_first_party
    if is_refused or str(wanted) not in draft.client.response_types:
        raise UnauthorizedClient(f"This app may not use the response type {wanted}.")


def response_mode(draft: Draft) -> None:
    """One that exists, may carry what is asked for, and reaches this redirect URI (R-AZ11)."""
    reason = why_not(draft.parameters, draft.target.redirect_uri, draft.client)
    if reason is not None:
        raise InvalidRequest(reason)


def code_challenge(draft: Draft) -> None:
    """S256 and nothing else; required unless this confidential client is exempt (RFC 7636 §4.3, RFC 9700 §2.1.1).

    Without a code there is nothing to bind.
    """
    if "code" not in draft.response_type:
        return
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
    asked = Scope.parse(draft.parameters.get("scope"))
    if "id_token" in draft.response_type and "openid" not in asked:
        raise InvalidRequest("A response type with id_token needs the scope openid.")


def api(draft: Draft) -> None:
    """One that exists, and that the client may ask for at all."""
    wanted = draft.api
    if wanted is not None:
        effective_scope.ceiling(wanted, draft.client)


def nonce(draft: Draft) -> None:
    """Bounded, since it is stored with the code and copied into the ID token.

    Required where an ID token leaves by the browser: nothing else tells its app that it is not a replay
    (OIDC Core §3.2.2.1, §3.3.2.11).
    """
    given = draft.parameters.get("nonce")
    if given is None and "id_token" in draft.response_type:
        raise InvalidRequest("nonce is missing: a response type with id_token needs one.")
    if len(given or "") > MAX_NONCE_LENGTH:
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


def display(draft: Draft) -> None:
    """One of OIDC Core §3.1.2.1."""
    wanted = draft.parameters.get("display")
    if wanted is not None and wanted not in DISPLAYS:
        raise InvalidRequest(f"This display is not supported: {wanted[:40]}")


def id_token_hint(draft: Draft) -> None:
    """One that cannot be believed is not ignored: the app means somebody, and nobody can say whom."""
    if draft.parameters.get("id_token_hint") is not None and draft.hinted is None:
        raise InvalidRequest("id_token_hint is no ID token that this server made for this app.")


def claims(draft: Draft) -> None:
    """Well-formed; and an essential `acr` that no sign-in here can have is refused before anybody signs in."""
    wanted = claims_request.parse(draft.parameters.get("claims"))
    if wanted.acr and not set(wanted.acr) & set(ACR_VALUES):
        raise UnmetAuthenticationRequirements("No sign-in here is of the acr that claims demands.")


def connection(draft: Draft) -> None:
    """`connection`, as Auth0 calls it: a directory that exists."""
    wanted = draft.parameters.get("connection")
    if wanted is not None and directory_named(wanted, draft.registry) is None:
        raise InvalidRequest("There is no connection of this name.")


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
    display,
    id_token_hint,
    claims,
    connection,
)


def validate(
    parameters: Parameters,
    target: Target,
    registry: RegistrySnapshot,
    settings: Settings,
    *,
    hinted: str | None = None,
) -> AuthorizationRequest:
    """Runs every check in order, then builds the request. Raises `OAuthError`.

    `hinted` is the subject of its `id_token_hint`, None when there is none or it is not to be believed.
    """
    draft = Draft(parameters=parameters, target=target, registry=registry, settings=settings, hinted=hinted)
    for check in CHECKS:
        check(draft)
    wanted_api = draft.api
    age = parameters.get("max_age")
    asked = parameters.get("scope")
    answer = draft.response_type
    wanted = effective_scope.requested(None if asked is None else Scope.parse(asked), wanted_api)
    if "code" not in answer:  # ignored where no code could become a refresh token (OIDC Core §11)
        wanted = wanted - Scope((effective_scope.OFFLINE_ACCESS,))
    # Claims are identity's (OIDC Core §5.5): without `openid` there is nobody to tell about.
    named = claims_request.parse(parameters.get("claims")) if "openid" in wanted else NOTHING
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
        login_hint=parameters.get("login_hint"),
        subjects=_subjects(hinted, named),
        claims=named,
        connection=parameters.get("connection"),
    )


def _subjects(hinted: str | None, named: ClaimsRequest) -> frozenset[str] | None:
    """Whom both mean; a request that contradicts itself means nobody."""
    if hinted is None:
        return named.subjects
    one = frozenset((hinted,))
    return one if named.subjects is None else one & named.subjects


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
