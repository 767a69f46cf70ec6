"""A grant type is three pure hooks; the token flow runs what they name and cannot be skipped by any of them.

`lookup` names the one read, `decide` judges what was read, `consume` names the transition. None of them touches the
store, a clock or entropy, so a grant type can be tested with literals and a third party's composes the same values.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.config import Settings
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import Unproved
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ClientId, GrantId, HandleKey
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.model.secret import Secret
from innkeeper.server.model.trusted_issuer import AssertionUse
from innkeeper.server.model.user import User
from innkeeper.server.protocol.tokens.refresh_token import RefreshToken
from innkeeper.server.storage.outcomes import CodeAndGrant, DeviceAndGrant, FamilyAndGrant


class Nothing(msgspec.Struct, frozen=True):
    """Nothing to read, or nothing to change."""


class CodeByHandle(msgspec.Struct, frozen=True):
    """Read an authorization code with its grant and person. `key` is None when the text cannot be a code."""

    key: HandleKey | None


class FamilyByHandle(msgspec.Struct, frozen=True):
    """Read a refresh family with its grant and person, if the text's MAC is ours. `text` is what was sent."""

    text: str


class DeviceByHandle(msgspec.Struct, frozen=True):
    """Read a waiting device, with grant and person once it is approved. `key`: as for a code."""

    key: HandleKey | None


class PasswordOf(msgspec.Struct, frozen=True, kw_only=True):
    """Prove a person by password, counted and in the same time for everybody. `realm` None: the default directory."""

    username: str
    password: Secret
    realm: str | None = None


class TokensByText(msgspec.Struct, frozen=True, kw_only=True):
    """Look into access tokens of ours, as they were sent: what they say, and whether they live."""

    subject: str
    actor: str | None = None

    def __repr__(self) -> str:
        return "TokensByText()"


class PersonByAssertion(msgspec.Struct, frozen=True, kw_only=True):
    """Find the person about whom another issuer's JWT speaks, if it is to be believed."""

    assertion: str

    def __repr__(self) -> str:
        return "PersonByAssertion()"


Lookup = (
    Nothing | CodeByHandle | FamilyByHandle | DeviceByHandle | PasswordOf | TokensByText | PersonByAssertion
)


class RedeemCode(msgspec.Struct, frozen=True, kw_only=True):
    """The one transition that turns a code into tokens."""

    key: HandleKey
    grant_id: GrantId
    epochs: Epochs


class RotateFamily(msgspec.Struct, frozen=True, kw_only=True):
    """The one transition that turns a refresh token into the next one."""

    token: RefreshToken
    grant_id: GrantId
    epochs: Epochs
    was_living: bool
    """What presented it was the living one when it was read; the transition says what it is."""
    overlap: timedelta
    is_rotating: bool
    idle: timedelta


class RedeemDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The one transition that turns an approved device code into tokens."""

    key: HandleKey
    grant_id: GrantId
    epochs: Epochs


class PollDevice(msgspec.Struct, frozen=True):
    """Nobody has answered: the transition says whether the device asked too soon or too late (RFC 8628 §3.5)."""

    key: HandleKey


class OpenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The one transition of an authorization that is complete at once: the grant and every token that leaves with it.

    The flow draws the grant's id; `epochs` are what the decision stands on. An `assertion` is used up by it.
    """

    epochs: Epochs
    assertion: AssertionUse | None = None


class BurnCode(msgspec.Struct, frozen=True, kw_only=True):
    """The right client presented the code wrongly: it must never work (RFC 9700 §4.5, PK-10)."""

    key: HandleKey
    grant_id: GrantId


Consumption = Nothing | RedeemCode | RotateFamily | RedeemDevice | OpenGrant
"""What success changes."""


class PresentedFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token whose MAC was checked, and the family it belongs to."""

    token: RefreshToken
    found: FamilyAndGrant


class ProvedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person whose password was right, and what they have allowed this client before."""

    user: User
    consents: tuple[Consent, ...]


class LiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token of ours that lives. `grant` and `user` are None for a client's own."""

    client_id: ClientId
    subject: str
    audience: tuple[str, ...]
    scope: Scope
    grant: Grant | None
    user: User | None
    expires_at: datetime
    act: Mapping[str, Any] | None = None
    """Who acted for the person so far (RFC 8693 §4.1)."""


class ExchangeTokens(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of an exchange; None for one that does not live, or was not sent."""

    subject: LiveToken | None
    actor: LiveToken | None


class AssertedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person about whom a trusted issuer spoke, and what they have allowed this client before."""

    user: User
    consents: tuple[Consent, ...]
    use: AssertionUse
    auth_time: datetime | None


class Unbelieved(msgspec.Struct, frozen=True, kw_only=True):
    """An assertion that proves nothing. `reason` is for the log."""

    reason: str


Evidence = (
    CodeAndGrant
    | PresentedFamily
    | DeviceAuthorization
    | DeviceAndGrant
    | ProvedPerson
    | Unproved
    | ExchangeTokens
    | AssertedPerson
    | Unbelieved
    | None
)
"""What the lookup found."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The error to answer, and what it changes: committed before the answer leaves."""

    error: OAuthError
    consumption: Nothing | BurnCode | PollDevice = Nothing()


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What every hook may look at besides the form."""

    client: Client
    registry: RegistrySnapshot
    now: datetime
    settings: Settings


class GrantType(Protocol):
    """One `grant_type`. Registered by a line in `GRANTS` or an argument of `open_services`."""

    @property
    def name(self) -> str:
        """The value of `grant_type`, as clients and discovery spell it."""
        ...

    @property
    def allows_public_clients(self) -> bool:
        """Whether a client that cannot authenticate may use it."""
        ...

    @property
    def client_types(self) -> Collection[str]:
        """The client types that may have this grant."""
        ...

    def lookup(self, form: Parameters) -> Lookup:
        """Raises `OAuthError` for a missing or malformed parameter."""
        ...

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """Never looks at what only a transition can know, such as whether a code was redeemed."""
        ...

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Names the transition that makes the authorization final."""
        ...
