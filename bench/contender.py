"""What a server under measurement has to offer, and the requests that both sides receive in the same form."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

HOST = "127.0.0.1"
API = "https://api.exampleco.test/timesheets"
OPAQUE_API = "https://api.exampleco.test/expenses"
API_SCOPE = "read:timesheets"


class Operation(StrEnum):
    """What is measured, in the order of the report."""

    CLIENT_CREDENTIALS = "client_credentials ES256"
    CODE_ES256 = "code exchange, ES256 access token, ES256 ID token"
    CODE_RS256 = "code exchange, ES256 access token, RS256 ID token"
    ROTATION = "refresh token rotation, ES256 access token, ES256 ID token"
    INTROSPECTION = "introspection of an opaque access token"

    @property
    def is_code_exchange(self) -> bool:
        return self in (Operation.CODE_ES256, Operation.CODE_RS256)

    @property
    def needs_person(self) -> bool:
        """Whether it starts with a person who signed in, and so with an authorization code."""
        return self is not Operation.CLIENT_CREDENTIALS

    @property
    def id_token_alg(self) -> str | None:
        """The algorithm of the ID token that this operation's client gets."""
        if self is Operation.CLIENT_CREDENTIALS:
            return None
        return "RS256" if self is Operation.CODE_RS256 else "ES256"

    @property
    def answer(self) -> dict[str, str]:
        """What the answer holds: each token with its algorithm."""
        if self is Operation.INTROSPECTION:
            return {}
        found = {"access_token": "ES256"}
        if self.id_token_alg is not None:
            found["id_token"] = self.id_token_alg
        return found | ({"refresh_token": "opaque"} if self is Operation.ROTATION else {})


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Authorization codes waiting to be exchanged, with what each exchange must present."""

    codes: list[str]
    code_verifier: str
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens waiting to be presented by one client, each once: refresh tokens, or opaque access tokens."""

    values: list[str]


class Contender(Protocol):
    """A server under measurement. It keeps running, pinned to the servers' core, until it is stopped."""

    name: str
    durability: str
    port: int

    def prepare(self) -> None:
        """Makes what the server needs before its first start: a data folder, clients, a person."""

    def start(self) -> None:
        """Executes the server and returns as soon as it has answered once. May follow a `stop`."""

    def stop(self) -> None:
        """Ends the server. May be called when it never started."""

    @property
    def pid(self) -> int:
        """Root of the server's process tree."""

    def mint_codes(self, operation: Operation, count: int) -> Codes:
        """Makes unredeemed codes for this operation's client. Not part of any measured window."""

    def mint_tokens(self, operation: Operation, count: int) -> Tokens:
        """Makes the tokens that this operation presents, by exchanging codes. Not part of any measured window."""

    def token_requests(self, operation: Operation, tokens: Tokens) -> list[str]:
        """The complete HTTP request that presents each token: a rotation, or an introspection."""

    def client_credentials_request(self) -> str:
        """The complete HTTP request of one client_credentials grant."""

    def exchange_requests(self, operation: Operation, codes: Codes) -> list[str]:
        """The complete HTTP request of each code's exchange."""

    def version(self) -> str:
        """Name and version for the report."""


def token_request(path: str, port: int, client_id: str, secret: str, form: dict[str, str]) -> str:
    """A POST with client_secret_basic: byte for byte the same shape for both sides."""
    body = urlencode(form)
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: localhost:{port}\r\n"
        f"Authorization: Basic {credentials}\r\n"
        "Accept: application/json\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"\r\n{body}"
    )


def presenting_form(operation: Operation, token: str) -> dict[str, str]:
    """The form of a refresh (RFC 6749 §6) or of an introspection (RFC 7662 §2.1)."""
    if operation is Operation.ROTATION:
        return {"grant_type": "refresh_token", "refresh_token": token}
    return {"token": token}


def exchange_form(code: str, codes: Codes) -> dict[str, str]:
    """The form of a code exchange (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": codes.redirect_uri,
        "code_verifier": codes.code_verifier,
    }
