"""Signing out because an app asks for it (OpenID Connect RP-Initiated Logout 1.0): where to go then, and who is asked.

Nobody is sent anywhere but to an address that the named app has registered for it, to the letter. Nobody is signed
out without a word unless the app shows an ID token of ours that is about the very person who is signed in.
"""

from typing import Final

import msgspec

from innkeeper.oauth.errors import UntrustedRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ClientId, SessionId, Subject
from innkeeper.server.protocol.response_modes.query import Query
from innkeeper.server.protocol.target import MAX_PARAMETERS_BYTES

PARAMETERS: Final = (
    "id_token_hint",
    "logout_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "ui_locales",
)


class UntrustedSignOut(UntrustedRequest):
    """A page, and nobody is signed out: the address to go to cannot be believed, or the request cannot be read."""


class SignOutRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked for. The ID token is left behind: it need not travel any further."""

    client_id: ClientId | None = None
    hinted: Subject | None = None
    """Whom a valid `id_token_hint` is about, by the name that this client knows."""
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    ui_locales: str | None = None
    asked: SessionId | None = None
    """Whose question the page shows: the answer is nobody else's."""


def check(parameters: Parameters) -> None:
    """Each at most once, and no more than can travel with the browser. Raises `UntrustedSignOut`."""
    repeated = [name for name in PARAMETERS if name in parameters.repeated]
    if repeated:
        raise UntrustedSignOut(
            "repeated_parameter",
            f"{repeated[0]} was sent more than once.",
            f"Send {repeated[0]} exactly once.",
        )
    total = sum(
        len(value.encode())
        for name, value in parameters.pairs
        if name in PARAMETERS and name != "id_token_hint"
    )
    if total > MAX_PARAMETERS_BYTES:
        raise UntrustedSignOut(
            "request_too_large",
            f"The parameters have {total} bytes, {MAX_PARAMETERS_BYTES} can be taken.",
            "Keep what `state` stands for in your app, and send a short key to it.",
        )


def destination(request: SignOutRequest, client: Client | None) -> str | None:
    """Where the browser goes afterwards (§3); None when nobody asked for it. Raises `UntrustedSignOut`."""
    wanted = request.post_logout_redirect_uri
    if wanted is None:
        return None
    if request.client_id is None:
        raise UntrustedSignOut(
            "unknown_client",
            "post_logout_redirect_uri came without anything that says which app it belongs to: no client_id, and"
            " no id_token_hint that this server made and can still verify.",
            "Send client_id, or the id_token_hint that the app was given at sign-in.",
        )
    if client is None or not client.is_enabled:
        raise UntrustedSignOut(
            "unknown_client",
            "There is no app with this client_id, or it is disabled.",
            "Compare client_id with `innkeeper app list`.",
        )
    if wanted not in client.post_logout_redirect_uris:
        registered = ", ".join(client.post_logout_redirect_uris) or "none"
        raise UntrustedSignOut(
            "post_logout_redirect_uri_not_registered",
            f"The app {client.client_id} has not registered this post_logout_redirect_uri: {wanted}",
            f"Send one that is registered, the same to the letter ({registered}), or register it with "
            f"`innkeeper app change {client.client_id} --logout-callback URL`.",
        )
    return wanted if request.state is None else Query().deliver(wanted, [("state", request.state)]).location


def may_skip_question(request: SignOutRequest, client: Client | None, subject: str | None) -> bool:
    """An enabled app has shown that it knows the person who is signed in; `subject` is their name for this app (§2)."""
    return (
        request.hinted is not None
        and client is not None
        and client.is_enabled
        and subject is not None
        and request.hinted == subject
    )
