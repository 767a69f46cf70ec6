"""response_mode=web_message: a window hands the parameters to the app's own window (RFC 9700 §4.17)."""

from innkeeper.oauth.redirect_uri import origin_of
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.response_modes.base import Message, Pairs, broken_by_a_page


class WebMessage:
    """For a browser app that asks in a frame or a window of its own. The redirect URI only names the origin."""

    name = "web_message"
    may_carry_tokens = True

    def refusal(self, redirect_uri: str, client: Client, state: str | None) -> str | None:
        """The receiver is the redirect URI's origin, and an administrator has to have named it."""
        origin = origin_of(redirect_uri)
        if origin is None or origin not in client.allowed_origins:
            return (
                "response_mode=web_message needs the origin of redirect_uri among the app's allowed origins: "
                "register it, or use another response_mode."
            )
        return broken_by_a_page(state)

    def deliver(self, redirect_uri: str, parameters: Pairs) -> Message:
        """To that one origin, never to whoever asks (B17)."""
        origin = origin_of(redirect_uri)
        assert origin is not None
        return Message(origin=origin, fields=tuple(parameters))
