"""What a server under measurement has to offer, and the requests that both sides receive in the same form."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlencode

HOST = "127.0.0.1"
API = "https://api.exampleco.test/timesheets"
API_SCOPE = "read:timesheets"


class Operation(StrEnum):
    """What is measured, in the order of the report."""

    CLIENT_CREDENTIALS = "client_credentials ES256"
    CODE_ES256 = "code exchange, ES256 access token, ES256 ID token"
    CODE_RS256 = "code exchange, ES256 access token, RS256 ID token"

    @property
    def is_code_exchange(self) -> bool:
        return self is not Operation.CLIENT_CREDENTIALS

    @property
    def id_token_alg(self) -> str | None:
        """The algorithm that the ID token of the answer must have."""
        return {Operation.CODE_ES256: "ES256", Operation.CODE_RS256: "RS256"}.get(self)


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Authorization codes waiting to be exchanged, with what each exchange must present."""

    codes: list[str]
    code_verifier: str
    redirect_uri: str


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


def exchange_form(code: str, codes: Codes) -> dict[str, str]:
    """The form of a code exchange (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": codes.redirect_uri,
        "code_verifier": codes.code_verifier,
    }
