"""response_mode=query: parameters are added to the query of the redirect URI (RFC 6749 §4.1.2)."""

from innkeeper.server.model.client import Client
from innkeeper.server.protocol.response_modes.base import Pairs, Redirection, urlencoded


class Query:
    """The default of response_type=code. Never for tokens: servers and proxies log the query."""

    name = "query"
    may_carry_tokens = False

    def refusal(self, redirect_uri: str, client: Client, state: str | None) -> str | None:
        """Every redirect URI can be given a query."""
        return None

    def deliver(self, redirect_uri: str, parameters: Pairs) -> Redirection:
        """Keeps a query that was registered with the URI (§3.1.2)."""
        joiner = "&" if "?" in redirect_uri else "?"
        return Redirection(location=redirect_uri + joiner + urlencoded(parameters))
