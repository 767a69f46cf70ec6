"""The names of people towards clients, made with a key that lasts as long as the database (OIDC Core §8.1)."""

from typing import Final

from msgspec.structs import replace

from innkeeper.server.flows.fresh import Entropy
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.client import Client
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.user import User
from innkeeper.server.protocol.tokens import subject
from innkeeper.server.storage.interface import Store

KEY_BYTES: Final = 32
ASSOCIATED: Final = b"pairwise-key"


class Subjects:
    """Holds the key; its repr does not."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, user: User, client: Client) -> str:
        """The `sub` of this person for this client."""
        return subject.of(user.user_id, client, self._key)


async def subjects_of(instance: Instance, store: Store, at_rest: Seals, entropy: Entropy) -> Subjects:
    """With the key of this database; the first process to come here draws it. Raises `SealBroken`."""
    if not instance.pairwise_key:
        sealed = at_rest.seal("at-rest", entropy.random(KEY_BYTES), associated=ASSOCIATED)
        instance = await store.replace_instance(replace(instance, pairwise_key=sealed), expected=instance)
    return Subjects(at_rest.open("at-rest", instance.pairwise_key, associated=ASSOCIATED))
