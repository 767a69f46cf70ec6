"""token_endpoint_auth_method=private_key_jwt: a JWT signed with the app's own key (RFC 7523 §2.2, OIDC Core §9)."""

from collections.abc import Sequence

from innkeeper.jose.jwt import Unverified
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_auth.base import Facts, Presented, assertion_objection


class PrivateKeyJwt:
    """Applies when there is an assertion whose header does not name the algorithm of a shared secret."""

    name = "private_key_jwt"

    def present(self, authorization: Sequence[str], form: Parameters) -> Presented | None:
        """The header chooses between the two methods; which keys count, the registration says."""
        if not client_assertion.is_sent(form):
            return None
        assertion = client_assertion.sent(form)
        if assertion.token.alg in client_assertion.SECRET_ALGORITHMS:
            return None
        return Presented(method=self.name, client_id=assertion.client_id, assertion=assertion)

    def objection(self, presented: Presented, client: Client, facts: Facts) -> str | None:
        """By one of the client's living keys. Without one a stand-in is tried, and never believed."""

        def check(token: Unverified) -> None:
            token.check_by_key(facts.keys, client_assertion.STAND_INS, client_assertion.KEY_ALGORITHMS)

        return assertion_objection(presented, client, facts, check)
