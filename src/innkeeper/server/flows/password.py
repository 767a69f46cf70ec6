"""The password grants: whose password it is, told by the same counters and in the same time as the sign-in page."""

from ipaddress import IPv6Address, ip_address
from typing import Final

from innkeeper.oauth.errors import InvalidRequest
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.prove_password import Claimed, prove
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.credential import Unproved
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.protocol.directories import directory_named
from innkeeper.server.protocol.grants.base import PasswordOf, ProvedPerson
from innkeeper.server.protocol.grants.password import check_may_take_passwords

MAX_ADDRESS_CHARS: Final = 64


async def person_with(
    lookup: PasswordOf, client: Client, request: ClientRequest, services: Services
) -> ProvedPerson | Unproved:
    """The person and what they allowed this app. Raises `OAuthError`, `Busy`, `StoreUnavailable`."""
    check_may_take_passwords(client)
    claimed = Claimed(
        directory=_directory(lookup, services),
        username=lookup.username,
        password=lookup.password,
        address=address_of(request, client),
        correlation_id=request.correlation_id,
        client_id=client.client_id,
    )
    proved = await prove(claimed, services)
    if isinstance(proved, Unproved):
        return proved
    consents = await services.store.consents.of(proved.user_id, client.client_id)
    return ProvedPerson(user=proved, consents=consents)


def address_of(request: ClientRequest, client: Client) -> str:
    """The person's, where an authenticated app is trusted to say it: otherwise its guesses would be one address's."""
    if not client.trusts_forwarded_for or client.is_public or not request.forwarded_for:
        return request.address
    if len(request.forwarded_for) > 1:
        raise InvalidRequest("auth0-forwarded-for came more than once.")
    try:
        address = ip_address(request.forwarded_for[0].strip()[:MAX_ADDRESS_CHARS])
    except ValueError:
        raise InvalidRequest("auth0-forwarded-for holds one IP address and nothing else.") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address if mapped is None else mapped)


def _directory(lookup: PasswordOf, services: Services) -> DirectoryName:
    if lookup.realm is None:
        return DEFAULT_DIRECTORY
    found = directory_named(lookup.realm, services.registry.snapshot)
    if found is None:
        raise InvalidRequest("There is no realm of this name.")
    return found
