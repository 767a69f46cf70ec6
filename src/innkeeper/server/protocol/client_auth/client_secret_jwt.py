"""token_endpoint_auth_method=client_secret_jwt: a JWT under HMAC with the app's secret (OIDC Core §9, RFC 7523)."""

from collections.abc import Sequence

from innkeeper.jose.jwt import Unverified
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_auth.base import (
    SECRETS_IN_ROTATION,
    Facts,
    Presented,
    assertion_objection,
)


class ClientSecretJwt:
    """Applies when there is an assertion whose header names HS256: the secret itself is never sent."""

    name = "client_secret_jwt"

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """The header chooses between the two methods; an app of the other one is refused for it."""
        if not client_assertion.is_sent(form):
            return None
        assertion = client_assertion.sent(form)
        if assertion.token.alg not in client_assertion.SECRET_ALGORITHMS:
            return None
        return Presented(method=self.name, client_id=assertion.client_id, assertion=assertion)

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """By one of the client's living secrets."""

        def check(token: Unverified) -> None:
            token.check_by_secret(facts.secrets, at_least=SECRETS_IN_ROTATION)

        return assertion_objection(presented, client, facts, check)
