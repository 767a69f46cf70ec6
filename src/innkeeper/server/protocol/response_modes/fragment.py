"""response_mode=fragment: parameters stand behind the # of the redirect URI (RFC 6749 §4.2.2)."""

from innkeeper.server.model.client import Client
from innkeeper.server.protocol.response_modes.base import Pairs, Redirection, urlencoded


class Fragment:
    """The default of every response type with a token: a browser sends the fragment to no server."""

    name = "fragment"
    may_carry_tokens = True

    def refusal(self, redirect_uri: str, client: Client, state: str | None) -> str | None:
        """No registered redirect URI has a fragment of its own (§3.1.2)."""
        return None

    def deliver(self, redirect_uri: str, parameters: Pairs) -> Redirection:
        """The registered query stays where it is."""
        return Redirection(location=f"{redirect_uri}#{urlencoded(parameters)}")
