"""The signing keys of this process: unsealed once, chosen by the clock, published in the JWKS (RFC 7517)."""

from datetime import datetime

import msgspec

from innkeeper.jose import jwk
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Signer
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.identifiers import KeyId
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.protocol import key_schedule


class NoSigningKey(Exception):
    """No key of this algorithm may sign now. A bug, or a database without its keys."""


class KeyRing:
    """Holds what `take` was given last; a private key is unsealed when it first signs."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._records: tuple[SigningKeyRecord, ...] = ()
        self._signers: dict[tuple[KeyId, str], Signer] = {}
        self._published: tuple[frozenset[KeyId], bytes, KeySet] | None = None

    def take(self, registry: RegistrySnapshot) -> None:
        """The records of the registry, whenever it has changed."""
        self._records = tuple(registry.signing_keys.values())
        kids = {record.kid for record in self._records}
        self._signers = {named: signer for named, signer in self._signers.items() if named[0] in kids}
        self._published = None

    def signer(self, alg: str, typ: str, now: datetime) -> Signer:
        """Signs JWTs of this type with the key that is active now."""
        record = key_schedule.signing(self._records, alg, now)
        if record is None:
            raise NoSigningKey(alg)
        known = self._signers.get((record.kid, typ))
        if known is None:
            private = unseal(record, self._seals)
            known = self._signers[record.kid, typ] = Signer(jwk.load(private, alg=alg, kid=record.kid), typ)
        return known

    def jwks(self, now: datetime) -> bytes:
        """The document at `jwks_uri`."""
        return self._publish(now)[1]

    def verification_keys(self, now: datetime) -> KeySet:
        """The same keys, to verify our own tokens with."""
        return self._publish(now)[2]

    def _publish(self, now: datetime) -> tuple[frozenset[KeyId], bytes, KeySet]:
        published = [record for record in self._records if key_schedule.is_published(record, now)]
        kids = frozenset(record.kid for record in published)
        if self._published is None or self._published[0] != kids:
            document = KeySet.document([msgspec.json.decode(record.public_jwk) for record in published])
            self._published = (kids, document, KeySet.parse(document))
        return self._published


def new_record(alg: str, seals: Seals, *, published_at: datetime, activates_at: datetime) -> SigningKeyRecord:
    """A fresh key; its id is its thumbprint (RFC 7638)."""
    private = jwk.generate(alg)
    key = jwk.load(private, alg=alg)
    kid = KeyId(str(key.kid))
    return SigningKeyRecord(
        kid=kid,
        alg=alg,  # type: ignore[arg-type]
        public_jwk=msgspec.json.encode(key.public_jwk),
        private_sealed=seals.seal("at-rest", private, associated=associated_with(kid)),
        published_at=published_at,
        activates_at=activates_at,
    )


def unseal(record: SigningKeyRecord, seals: Seals) -> bytes:
    """The private key in DER. Raises `SealBroken` when the master secret is another one."""
    return seals.open("at-rest", record.private_sealed, associated=associated_with(record.kid))


def associated_with(kid: KeyId) -> bytes:
    """What binds a sealed private key to its name."""
    return b"signing-key|" + kid.encode()
