"""grant_type=password (RFC 6749 §4.3): an app takes the password itself. Off unless an operator switches it on.

Nobody sees a page, so nobody can be asked: only first-party apps may have it, and what needs a consent that was never
given is refused. There is no browser, so no session begins (R-PW9).
"""

from typing import Final

from innkeeper.oauth.errors import InvalidGrant, InvalidScope, UnauthorizedClient
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.authorization import Authentication, Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.model.credential import Unproved
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.secret import Secret
from innkeeper.server.protocol import consent, effective_scope
from innkeeper.server.protocol.acr import acr_of
from innkeeper.server.protocol.authorize import api_named
from innkeeper.server.protocol.grant_rights import access_token_lifetime
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Context,
    Evidence,
    Lookup,
    OpenGrant,
    PasswordOf,
    ProvedPerson,
    Refusal,
)

AMR: Final = ("pwd",)
# One text for nobody's name, a wrong password and a person who has none: nothing to learn from trying (R-PW8, R-PW11).
REFUSED: Final = "Wrong username or password."
DISABLED: Final = "This account is disabled."
THROTTLED: Final = "Too many wrong passwords. Try again in {seconds} seconds."
NOT_ALLOWED: Final = (
    "The person has not allowed this app what it asks for, and a password is no consent:"
    " let them sign in in a browser once."
)


class PasswordGrant:
    """People of the default directory."""

    name = "password"
    allows_public_clients = True
    """Those with a second acknowledgement: see `check_may_take_passwords`."""
    client_types = ("regular_web", "spa", "native")

    def lookup(self, form: Parameters) -> Lookup:
        """By the name and the password that were sent."""
        return PasswordOf(username=form.require("username"), password=password_in(form))

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """What the person may, the app may, and was asked for. The scope is as for a code: none asked, the defaults."""
        if not isinstance(evidence, ProvedPerson):
            return _refusal(evidence)
        client, user, registry = context.client, evidence.user, context.registry
        api = api_named(form, registry, default_audience=context.settings.default_audience)
        asked = form.get("scope")
        wanted = effective_scope.requested(None if asked is None else Scope.parse(asked), api)
        scope = effective_scope.grantable(wanted, api=api, client=client, user=user, roles=registry.roles)
        if not consent.may_skip(client, api) and not scope <= consent.remembered(
            evidence.consents, api, context.now
        ):
            return Refusal(error=InvalidScope(NOT_ALLOWED))
        return Authorization(
            client=client,
            user=user,
            api=api,
            scope=scope,
            # In seconds, as on the wire.
            authentication=Authentication(
                sid=None, auth_time=context.now.replace(microsecond=0), amr=AMR, acr=acr_of(AMR)
            ),
            access_token_lifetime=access_token_lifetime(api, context.settings),
            begins_family=effective_scope.OFFLINE_ACCESS in scope,
        )

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Opens a grant of its own, on the records that were looked at."""
        assert isinstance(evidence, ProvedPerson)
        client = authorization.client
        return OpenGrant(
            epochs=Epochs(
                client_revision=client.revision,
                client_epoch=client.epoch,
                user_epoch=evidence.user.epoch,
                consent_epoch=consent.epoch_of(evidence.consents, authorization.api),
            )
        )


class PasswordRealmGrant(PasswordGrant):
    """The same, as Auth0 has it, for the people of a directory that the request names (R-PW3)."""

    name = "http://auth0.com/oauth/grant-type/password-realm"

    def lookup(self, form: Parameters) -> Lookup:
        """By name and password, in the directory `realm`."""
        return PasswordOf(
            username=form.require("username"), password=password_in(form), realm=form.require("realm")
        )


def check_may_take_passwords(client: Client) -> None:
    """Whatever its record says by now: before a password is looked at, or a guess would be free (R-PW1)."""
    if not client.is_first_party:
        raise UnauthorizedClient("A third-party app never takes passwords.")
    if client.is_public and not client.allow_public_password_grant:
        raise UnauthorizedClient("This app cannot keep a secret and may not take passwords.")


def password_in(form: Parameters) -> Secret:
    """Out of sight of every repr from here on."""
    return Secret(form.require("password").encode("utf-8", "surrogatepass"))


def _refusal(evidence: Evidence) -> Refusal:
    """Only who knew the password hears more than that something was wrong."""
    if isinstance(evidence, Unproved) and evidence.problem == "disabled":
        return Refusal(error=InvalidGrant(DISABLED))
    if isinstance(evidence, Unproved) and evidence.retry_after is not None:
        seconds = max(1, -int(-evidence.retry_after.total_seconds() // 1))
        return Refusal(error=InvalidGrant(THROTTLED.format(seconds=seconds), detail="throttled"))
    return Refusal(error=InvalidGrant(REFUSED))
