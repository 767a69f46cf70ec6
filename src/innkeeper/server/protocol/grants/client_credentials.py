"""grant_type=client_credentials (RFC 6749 §4.4): a client acts for itself."""

from innkeeper.oauth.errors import InvalidTarget
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.protocol.authorize import api_named
from innkeeper.server.protocol.effective_scope import for_machine
from innkeeper.server.protocol.grants.base import Consumption, Context, Evidence, Lookup, Nothing, Refusal


class ClientCredentials:
    """Reads nothing, changes nothing: an access token and nothing else."""

    name = "client_credentials"
    allows_public_clients = False
    client_types = ("m2m", "regular_web")

    def lookup(self, form: Parameters) -> Lookup:
        """Everything is in the registry."""
        return Nothing()

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """The API has to be named or defaulted (R-CC3)."""
        api = api_named(form, context.registry, default_audience=context.settings.default_audience)
        if api is None:
            raise InvalidTarget("Name the API: send audience (or resource) with its identifier.")
        asked = form.get("scope")
        scope = for_machine(None if asked is None else Scope.parse(asked), api=api, client=context.client)
        return Authorization(
            client=context.client,
            user=None,
            api=api,
            scope=scope,
            access_token_lifetime=api.access_token_lifetime,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Nothing."""
        return Nothing()
