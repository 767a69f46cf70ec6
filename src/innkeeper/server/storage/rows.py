"""Between records and columns: JSON bytes and epoch microseconds."""

from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

import msgspec

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.role import Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.model.user import User

R = TypeVar("R")
Value = None | int | str | bytes
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENCODE: Final = msgspec.json.Encoder().encode


class Codec(Generic[R]):
    """One record type's JSON. The decoder is built once: it is on the path of every request."""

    __slots__ = ("decode",)

    def __init__(self, record_type: type[R]) -> None:
        self.decode = msgspec.json.Decoder(record_type).decode

    def encode(self, record: R) -> bytes:
        return _ENCODE(record)


CLIENT: Final = Codec(Client)
API: Final = Codec(Api)
ROLE: Final = Codec(Role)
DIRECTORY: Final = Codec(Directory)
TRUSTED_ISSUER: Final = Codec(TrustedIssuer)
SIGNING_KEY: Final = Codec(SigningKeyRecord)
USER: Final = Codec(User)
PASSWORD: Final = Codec(PasswordCredential)
SESSION: Final = Codec(Session)
CONSENT: Final = Codec(Consent)
GRANT: Final = Codec(Grant)
CODE: Final = Codec(AuthorizationCode)
ACCESS_TOKEN: Final = Codec(OpaqueAccessToken)
DEVICE: Final = Codec(DeviceAuthorization)
FAMILY: Final = Codec(RefreshFamily)
LINK: Final = Codec(OneTimeLink)
INSTANCE: Final = Codec(Instance)


def to_us(at: datetime) -> int:
    """Epoch microseconds, exactly: `timestamp()` would go through a float."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """An aware UTC instant."""
    return _EPOCH + us * _MICROSECOND
