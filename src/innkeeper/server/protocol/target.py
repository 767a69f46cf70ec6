"""Where the answer to an authorization request may go (RFC 6749 §4.1.2.1, RFC 9700 §4.1).

Until `locate` has returned a `Target`, nothing may be sent to the client: an error is a page. From then on every
error is an `OAuthError` and goes to the proven redirect URI. The type in hand decides, not a flag.
"""

from typing import Final

import msgspec

from innkeeper.oauth import redirect_uri
from innkeeper.oauth.errors import UntrustedRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import response_modes, response_types
from innkeeper.server.protocol.waiting_device import WaitingDevice

MAX_PARAMETERS_BYTES: Final = 6 * 1024
TOO_LARGE: Final = "request_too_large"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer, good or bad, may be sent. `redirect_uri_sent` is None when the request left it out."""

    client: Client
    redirect_uri: str
    redirect_uri_sent: str | None
    response_mode: str
    state: str | None
    ui_locales: str | None = None
    """For the page that carries the answer, where the mode needs one."""
    device: WaitingDevice | None = None
    """A person answers for a device: the answer goes to the store, from where the device fetches it."""

    @property
    def leads_to(self) -> tuple[str, ...]:
        """Where the forms of the pages may end up."""
        return () if self.device is not None else (self.redirect_uri,)


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
    uri = client.redirect_uris[0] if sent is None else sent
    return Target(
        client=client,
        redirect_uri=uri,
        redirect_uri_sent=sent,
        response_mode=_answerable_mode(parameters, uri, client),
        # A repeated state cannot be trusted to be the client's own, so none is returned.
        state=None if "state" in parameters.repeated else parameters.get("state"),
        ui_locales=parameters.get("ui_locales"),
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


def _answerable_mode(parameters: Parameters, redirect_uri: str, client: Client) -> str:
    """The mode for answers; an impossible one is reported in the response type's default mode."""
    is_repeated = parameters.repeated & {"response_mode", "response_type"}
    if is_repeated or why_not(parameters, redirect_uri, client) is not None:
        return response_types.default_mode(_response_type(parameters))
    return mode_of(parameters)


def mode_of(parameters: Parameters) -> str:
    """The one that is asked for, or the default of the response type (Multiple Response Types §2.1)."""
    return parameters.get("response_mode") or response_types.default_mode(_response_type(parameters))


def why_not(parameters: Parameters, redirect_uri: str, client: Client) -> str | None:
    """Why the response mode cannot be used for this request: a sentence for the client's developer."""
    mode = response_modes.named(mode_of(parameters))
    if mode is None:
        return "This response_mode is not supported."
    if response_types.carries_tokens(_response_type(parameters)) and not mode.may_carry_tokens:
        return f"Tokens never travel by response_mode={mode.name}: use fragment or form_post."
    return mode.refusal(redirect_uri, client, parameters.get("state"))


def _response_type(parameters: Parameters) -> str | None:
    return None if "response_type" in parameters.repeated else parameters.get("response_type")
