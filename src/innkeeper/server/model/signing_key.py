"""A signing key's record. It is published, then signs, then only verifies, then goes."""

from datetime import datetime

import msgspec

from innkeeper.server.model.client import SigningAlgorithm
from innkeeper.server.model.identifiers import KeyId


class SigningKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The private part is sealed under a key that is not in the database."""

    kid: KeyId
    alg: SigningAlgorithm
    public_jwk: bytes
    private_sealed: bytes
    published_at: datetime
    activates_at: datetime
    retires_at: datetime | None = None
    """From then on it signs nothing."""
    expires_at: datetime | None = None
    """From then on it is not in the JWKS: the last token it signed has ended."""

    @property
    def stage(self) -> tuple[str, datetime, datetime, datetime | None, datetime | None]:
        """What a rotation was decided on: sets of keys whose stages are equal are the same set."""
        return self.kid, self.published_at, self.activates_at, self.retires_at, self.expires_at
