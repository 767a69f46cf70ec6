"""The store: one small protocol per noun, whose methods are reads and atomic transitions.

Every transition carries its condition and all its consequences, is durable when it returns, and says who won.
A transition that consumes something takes `attempt`: if this attempt already won, it returns that outcome
again, so only the store retries and always with the same attempt. `events` are audit rows written by the
transition itself, and only if it changed something. Every method may raise `StoreUnavailable`. A cancelled
caller does not cancel its transition.
"""

from innkeeper.server.storage.interface.assertion_ids import AssertionIds
from innkeeper.server.storage.interface.authorizations import AccessTokens, Codes, Grants, RefreshFamilies
from innkeeper.server.storage.interface.catalogue import (
    Apis,
    Clients,
    Directories,
    Registry,
    Roles,
    SigningKeys,
    TrustedIssuers,
)
from innkeeper.server.storage.interface.devices import DeviceCodes
from innkeeper.server.storage.interface.leases import Leases
from innkeeper.server.storage.interface.people import Consents, Links, Sessions, Throttles, Users
from innkeeper.server.storage.interface.store import Store

__all__ = [
    "AccessTokens",
    "Apis",
    "AssertionIds",
    "Clients",
    "Codes",
    "Consents",
    "DeviceCodes",
    "Directories",
    "Grants",
    "Leases",
    "Links",
    "RefreshFamilies",
    "Registry",
    "Roles",
    "Sessions",
    "SigningKeys",
    "Store",
    "Throttles",
    "TrustedIssuers",
    "Users",
]
