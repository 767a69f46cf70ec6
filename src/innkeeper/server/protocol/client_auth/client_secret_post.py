"""token_endpoint_auth_method=client_secret_post: id and secret in the body (RFC 6749 §2.3.1)."""

from collections.abc import Sequence

from innkeeper.oauth.errors import InvalidClient
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.client_auth.base import Facts, Presented, secret_objection


class ClientSecretPost:
    """Applies when there is a `client_secret` in the body."""

    name = "client_secret_post"

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """Both parameters; a secret without an id cannot be anybody's."""
        secret = form.get("client_secret")
        if secret is None:
            return None
        client_id = form.get("client_id")
        if client_id is None:
            raise InvalidClient("client_id is missing beside client_secret.")
        return Presented(method=self.name, client_id=client_id, secret=secret)

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """The secret is one of the client's live ones."""
        return secret_objection(presented, client, facts)
