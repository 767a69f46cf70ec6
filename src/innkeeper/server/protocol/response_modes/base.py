"""How an authorization response travels back to the client (OAuth 2.0 Multiple Response Types §2.1)."""

from collections.abc import Sequence
from typing import Protocol


class ResponseMode(Protocol):
    """One value of `response_mode`."""

    name: str

    def location(self, redirect_uri: str, parameters: Sequence[tuple[str, str]]) -> str:
        """Where the browser is sent."""
        ...
