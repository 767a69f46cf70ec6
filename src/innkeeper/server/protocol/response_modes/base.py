"""How an authorization response travels back to the client (OAuth 2.0 Multiple Response Types §2.1).

A mode says what has to be delivered and how; drawing the page of those that need one is the business of `web`.
"""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

import msgspec

from innkeeper.server.model.client import Client

Pairs = Sequence[tuple[str, str]]


class Redirection(msgspec.Struct, frozen=True, kw_only=True):
    """The browser is sent to this address."""

    location: str


class SelfPostingForm(msgspec.Struct, frozen=True, kw_only=True):
    """A page whose form goes to `action`, by itself or by its button."""

    action: str
    fields: tuple[tuple[str, str], ...]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A page that hands the response to the window that opened or framed it, if that shows this origin."""

    origin: str
    fields: tuple[tuple[str, str], ...]


Delivery = Redirection | SelfPostingForm | Message


class ResponseMode(Protocol):
    """One value of `response_mode`."""

    @property
    def name(self) -> str:
        """As clients and discovery spell it."""
        ...

    @property
    def may_carry_tokens(self) -> bool:
        """Whether what it carries stays out of addresses that servers log (Multiple Response Types §3)."""
        ...

    def refusal(self, redirect_uri: str, client: Client, state: str | None) -> str | None:
        """Why it cannot reach this redirect URI: a sentence for the client's developer. None when it can."""
        ...

    def deliver(self, redirect_uri: str, parameters: Pairs) -> Delivery:
        """The response. Only for what `refusal` has nothing against."""
        ...


def urlencoded(parameters: Pairs) -> str:
    """For a query or a fragment. Spaces are %20, which every parser reads."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)


def broken_by_a_page(state: str | None) -> str | None:
    """A form turns every line break into CR LF (HTML §4.10.22.7), and `state` has to come back as it was sent."""
    if state is not None and ("\n" in state or "\r" in state):
        return "A state with line breaks would come back changed in this response_mode."
    return None
