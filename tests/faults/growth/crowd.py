"""A crowd: people, their grants and refresh families by the million, written straight into the tables.

Everything about number `i` follows from `i`, so any token of the crowd can be presented without having been kept.
Every row is one that the server itself could have written; families are met all over their range, and none lies
beside its grant, which is harder on a store than what grew by and by.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model import handle
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, HandleKey, SessionId, Subject
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.user import Profile, User
from innkeeper.server.protocol.tokens.refresh_token import RefreshToken
from innkeeper.server.storage.rows import to_us

Row = tuple[Any, ...]
SCOPE: Final = ("openid", "read:timesheets", "offline_access")
FIRST_GENERATION: Final = 1
# Handles of the crowd are ordered by their end to the hour; so are its records.
_HOURS: Final = 1000
_LIFETIME: Final = timedelta(days=90)
_KEY: Final = HandleKey(b"\x00" * 40)
_USER: Final = Subject("ik|" + "u" * 24)
_GRANT: Final = GrantId("g" * 22)
# Scatters the numbers of the families over those of the grants.
_SCATTER: Final = 7_654_321


class Table(msgspec.Struct, frozen=True):
    """Rows for one table, in the order of its key."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]


class Crowd:
    """`people` of them, `families` between them; the first `ended` were over long ago, the first `codes` had one."""

    def __init__(
        self,
        *,
        people: int,
        families: int,
        client_id: ClientId,
        api: ApiIdentifier,
        ended: int = 0,
        codes: int = 0,
    ) -> None:
        self.people = people
        self.families = families
        self.ended = ended
        self.codes = codes
        self._scatter = coprime(_SCATTER, families)
        self._client_id = client_id
        self._api = api
        self._now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def key(self, number: int) -> HandleKey:
        """Under which a family is stored."""
        return HandleKey(self._order_of(number) + sha256(_random(number)))

    @property
    def first_living(self) -> bytes:
        """Every handle of an ended family lies before it."""
        return self._order_of(self.ended)

    def token(self, number: int, generation: int, seals: Seals) -> str:
        """The refresh token of one family, whichever generation is alive."""
        token = RefreshToken(
            mac_key_id=seals.current_key_id,
            order=self._order_of(number),
            random=_random(number),
            generation=generation,
        )
        return token.text(seals.tag("refresh-mac", token.mac_key_id, token.signed))

    def tables(self, seals: Seals) -> tuple[Table, ...]:
        """All of it."""
        whose = ("grant_id", "client_id", "user_id")
        used = ("generation", "is_rotating", "rotated_at", "rotated_by", "overlaps")
        ends = ("idle_expires_at", "absolute_expires_at")
        key_id = seals.current_key_id
        users = ("user_id", "revision", "epoch", "is_enabled", "record", "directory")
        return (
            Table("users", users, self._users),
            Table("user_identifiers", ("identifier", "user_id"), self._identifiers),
            Table("consents", ("user_id", "client_id", "api", "epoch", "record"), self._consents),
            Table("grants", (*whose, "api", "expires_at", "record"), self._grants),
            Table(
                "refresh_families",
                ("family_key", *whose, *used, *ends, "record"),
                lambda: self._families(key_id),
            ),
            Table(
                "authorization_codes",
                ("code_key", "grant_id", "expires_at", "issued_by", "redeemed_at", "redeemed_by", "record"),
                self._codes,
            ),
        )

    def _users(self) -> Iterator[Row]:
        user = User(
            user_id=_USER,
            username="name-" + _USER[3:],
            created_at=self._now,
            updated_at=self._now,
            email=f"name-{_USER[3:]}@example.test",
            email_verified=True,
            profile=Profile(name="One Of Many", given_name="One", family_name="Of Many", locale="en"),
            roles=("Employee",),
        )
        record = _template(user, _USER[3:])
        for number in range(self.people):
            name = _name(number)
            yield f"ik|{name}", 1, 1, 1, record % ((name.encode(),) * 3), "default"

    def _identifiers(self) -> Iterator[Row]:
        for number in range(self.people):
            name = _name(number)
            yield f"name-{name}@example.test", f"ik|{name}"

    def _consents(self) -> Iterator[Row]:
        consent = Consent(
            user_id=_USER,
            client_id=self._client_id,
            api=self._api,
            scope=SCOPE[1:],
            epoch=0,
            granted_at=self._now,
        )
        record = _template(consent, _USER)
        for number in range(self.people):
            user_id = "ik|" + _name(number)
            yield user_id, self._client_id, self._api, 0, record % user_id.encode()

    def _grants(self) -> Iterator[Row]:
        """By the number of the grant; that of its family is found by going the scattering back."""
        back = pow(self._scatter, -1, self.families)
        ends = self._ends(lambda at: (to_us(at), self._grant_record(at)))
        for number in range(self.families):
            family = number * back % self.families
            grant_id, user_id = f"{number:022d}", self._user_of(family)
            us, record = ends[self._hour_of(family)]
            yield (
                grant_id,
                self._client_id,
                user_id,
                self._api,
                us,
                record % (grant_id.encode(), user_id.encode()),
            )

    def _families(self, mac_key_id: int) -> Iterator[Row]:
        """Each was used once, an hour ago."""
        used_us = to_us(self._now - timedelta(hours=1))
        idle_us = used_us + 14 * 86_400_000_000
        ends = self._ends(lambda at: (to_us(at), _order(at), self._family_record(at, mac_key_id)))
        for number in range(self.families):
            us, order, record = ends[self._hour_of(number)]
            key = order + _counted(number) + sha256(_random(number))
            grant_id, user_id = self._grant_of(number), self._user_of(number)
            record = record % (base64.b64encode(key), grant_id.encode(), user_id.encode())
            used = (FIRST_GENERATION, 1, used_us, key[-16:], 0)
            yield key, grant_id, self._client_id, user_id, *used, min(idle_us, us), us, record

    def _codes(self) -> Iterator[Row]:
        """Redeemed: they stay as long as their grants."""
        ends = self._ends(
            lambda at: (to_us(at - _LIFETIME), _order(at - _LIFETIME), self._code_record(at - _LIFETIME))
        )
        for number in range(self.codes):
            us, order, record = ends[self._hour_of(number)]
            key = order + _counted(number) + sha256(_random(number))
            grant_id = self._grant_of(number)
            record = record % (base64.b64encode(key), grant_id.encode())
            yield key, grant_id, us + 60_000_000, key[-16:], us + 1_000_000, key[-16:], record

    def _order_of(self, number: int) -> bytes:
        return _order(self._ends_at(self._hour_of(number))) + _counted(number)

    def _ends(self, of: Callable[[datetime], Row]) -> list[Row]:
        """What follows from the end of a family, for each hour in which some end."""
        return [of(self._ends_at(hour)) for hour in range(2 * _HOURS)]

    def _hour_of(self, number: int) -> int:
        """Ascending; the first half is over."""
        if number < self.ended:
            return number * _HOURS // self.ended
        return _HOURS + (number - self.ended) * _HOURS // (self.families - self.ended)

    def _ends_at(self, hour: int) -> datetime:
        """Two hours ago and before, then from tomorrow on."""
        return self._now + timedelta(hours=hour - _HOURS + (24 if hour >= _HOURS else -2))

    def _grant_of(self, number: int) -> str:
        return f"{number * self._scatter % self.families:022d}"

    def _user_of(self, number: int) -> str:
        return f"ik|{number % self.people:024d}"

    def _grant_record(self, ends_at: datetime) -> bytes:
        made_at = ends_at - _LIFETIME
        grant = Grant(
            grant_id=_GRANT,
            client_id=self._client_id,
            user_id=_USER,
            api=self._api,
            scope=SCOPE,
            sid=SessionId("s" * 22),
            auth_time=made_at,
            amr=("pwd",),
            acr=None,
            epochs=Epochs(client_revision=1, client_epoch=1, user_epoch=1),
            created_at=made_at,
            expires_at=ends_at,
        )
        return _template(grant, _GRANT, _USER)

    def _family_record(self, ends_at: datetime, mac_key_id: int) -> bytes:
        family = RefreshFamily(
            key=_KEY,
            grant_id=_GRANT,
            client_id=self._client_id,
            user_id=_USER,
            scope=SCOPE,
            is_rotating=True,
            issued_at=ends_at - _LIFETIME,
            idle_expires_at=ends_at,
            absolute_expires_at=ends_at,
            mac_key_id=mac_key_id,
        )
        return _template(family, base64.b64encode(_KEY).decode(), _GRANT, _USER)

    def _code_record(self, issued_at: datetime) -> bytes:
        code = AuthorizationCode(
            key=_KEY,
            grant_id=_GRANT,
            client_id=self._client_id,
            redirect_uri="http://localhost:9999/callback",
            code_challenge="c" * 43,
            nonce="n" * 16,
            issued_at=issued_at,
            expires_at=issued_at + timedelta(seconds=60),
        )
        return _template(code, base64.b64encode(_KEY).decode(), _GRANT)


def coprime(near: int, count: int) -> int:
    """The first number from there on whose multiples meet each of `count` once before they come round."""
    return next(number for number in itertools.count(near) if math.gcd(number, count) == 1)


def _order(ends_at: datetime) -> bytes:
    """The first bytes of a handle that ends then."""
    return handle.ordering(latest_expiry_s=int(ends_at.timestamp()) + 1, counter=0)[:5]


def _counted(number: int) -> bytes:
    return handle.ordering(latest_expiry_s=0, counter=number)[5:]


def _template(record: msgspec.Struct, *places: str) -> bytes:
    """The record's JSON with a `%b` for each of these texts, wherever it stands."""
    text = msgspec.json.encode(record).replace(b"%", b"%%")
    for place in places:
        assert place.encode() in text
        text = text.replace(place.encode(), b"%b")
    return text


def _name(number: int) -> str:
    return f"{number:024d}"


def _random(number: int) -> bytes:
    return sha256(b"family %d" % number)
