"""token_endpoint_auth_method=none: a public client names itself and proves nothing (RFC 6749 §2.1, §3.2.1)."""

from collections.abc import Sequence

from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_auth.base import Facts, Presented


class NoAuthentication:
    """Applies when there is a `client_id` and no credential of any kind."""

    name = "none"

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """A bare `client_id`."""
        client_id = form.get("client_id")
        if client_id is None or authorization or form.get("client_secret") is not None:
            return None
        if client_assertion.is_sent(form):
            return None
        return Presented(method=self.name, client_id=client_id)

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """Nothing to prove; that the client is registered as public is checked for every method."""
        return None
