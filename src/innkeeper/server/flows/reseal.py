"""Moves what is stored to the current master key, so that an old one can be dropped some day.

Only the serving process does this, and it started with the ring that it has: no other process serves the database with
an older ring, which could not open what is sealed here.
"""

import asyncio

from msgspec.structs import replace

from innkeeper.jose.errors import SealBroken
from innkeeper.server.flows.administer.refusal import changed
from innkeeper.server.flows.client_authentication import sealed_for
from innkeeper.server.flows.keys import associated_with
from innkeeper.server.flows.services import Services
from innkeeper.server.flows.subjects import ASSOCIATED as PAIRWISE_KEY
from innkeeper.server.model.client import Client, ClientSecret
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.storage.outcomes import Done


async def reseal(services: Services) -> bool:
    """Whether all is under the current key now; False when somebody else was writing: run it again.

    The mark by which a start knows the master secret moves last. Until then a start with the new key alone is refused.
    """
    instance = await services.store.instance()
    mark = services.at_rest.key("master-check")
    if instance is None or instance.master_check == mark:
        return True
    if not await _reseal_signing_keys(services):
        return False
    for client in await services.store.clients.list():
        if not await _reseal_secrets(client, services):
            return False
    pairwise_key = _moved(instance.pairwise_key, PAIRWISE_KEY, services)
    wanted = replace(instance, master_check=mark, pairwise_key=pairwise_key)
    return await services.store.replace_instance(wanted, expected=instance) == wanted


async def _reseal_signing_keys(services: Services) -> bool:
    before = await services.store.signing_keys.list()
    after = await asyncio.to_thread(lambda: [_moved_key(record, services) for record in before])
    events = changed(services, "master_secret", str(services.at_rest.current_key_id), "current")
    outcome = await services.store.signing_keys.put(after, expected=before, events=events)
    return isinstance(outcome, Done)


def _moved_key(record: SigningKeyRecord, services: Services) -> SigningKeyRecord:
    sealed = _moved(record.private_sealed, associated_with(record.kid), services)
    return replace(record, private_sealed=sealed)


async def _reseal_secrets(client: Client, services: Services) -> bool:
    """Nothing is written for the many apps of which there are only digests."""

    def moved(secret: ClientSecret) -> ClientSecret:
        if secret.sealed is None:
            return secret
        return replace(secret, sealed=_moved(secret.sealed, sealed_for(client.client_id), services))

    after = replace(client, secrets=tuple(moved(secret) for secret in client.secrets))
    if after == client:
        return True
    return isinstance(await services.store.clients.replace(after, events=()), Done)


def _moved(sealed: bytes, associated: bytes, services: Services) -> bytes:
    """What is sealed under a key that is gone stays what it is: nobody can open it any more."""
    seals = services.at_rest
    if not sealed or sealed[0] == seals.current_key_id:
        return sealed
    try:
        plain = seals.open("at-rest", sealed, associated=associated)
    except SealBroken:
        return sealed
    return seals.seal("at-rest", plain, associated=associated)
