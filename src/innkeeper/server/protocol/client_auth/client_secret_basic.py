"""token_endpoint_auth_method=client_secret_basic: HTTP Basic, form-encoded inside (RFC 6749 §2.3.1, RFC 7617)."""

import binascii
from collections.abc import Sequence
from urllib.parse import unquote_plus

from innkeeper.oauth.errors import InvalidClient, InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.client_auth.base import Facts, Presented, secret_objection

MAX_HEADER_LENGTH = 4096


class ClientSecretBasic:
    """Applies when there is an Authorization header of scheme Basic."""

    name = "client_secret_basic"

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """Id and secret are form-encoded before base64 (RFC 6749 App. B): `+` is a space, `%3A` a colon."""
        if not authorization:
            return None
        if len(authorization) > 1:
            raise InvalidRequest("The Authorization header was sent more than once.")
        scheme, _, encoded = authorization[0].partition(" ")
        if scheme.lower() != "basic":
            raise InvalidClient("This endpoint takes the Authorization scheme Basic.")
        client_id, secret = _decoded(encoded.strip())
        if form.get("client_id") not in (None, client_id):
            raise InvalidRequest("client_id in the body is not the one in the Authorization header.")
        return Presented(method=self.name, client_id=client_id, secret=secret)

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """The secret is one of the client's live ones."""
        return secret_objection(presented, client, facts)


def _decoded(encoded: str) -> tuple[str, str]:
    if len(encoded) > MAX_HEADER_LENGTH:
        raise InvalidClient("The Authorization header is too long.")
    try:
        text = binascii.a2b_base64(encoded, strict_mode=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        if not colon:
            raise InvalidClient("The Basic credentials have no colon.")
        if "%" in text or "+" in text:
            return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as cause:
        raise InvalidClient("The Basic credentials cannot be decoded.") from cause
    return client_id, secret
