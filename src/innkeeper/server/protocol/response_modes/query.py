"""response_mode=query: parameters are added to the query of the redirect URI (RFC 6749 §4.1.2)."""

from collections.abc import Sequence
from urllib.parse import quote


class Query:
    """The default of response_type=code."""

    name = "query"

    def location(self, redirect_uri: str, parameters: Sequence[tuple[str, str]]) -> str:
        """Keeps a query that was registered with the URI (§3.1.2). Spaces are %20, which every parser reads."""
        joiner = "&" if "?" in redirect_uri else "?"
        added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
        return redirect_uri + joiner + added
