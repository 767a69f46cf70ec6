"""Seals and MACs under keys derived from the master secret; each names the key of the ring that made it."""

from collections.abc import Callable

from innkeeper.jose.errors import SealBroken
from innkeeper.jose.hashes import MacKey, constant_time_equal
from innkeeper.jose.seal import SALT_BYTES, open_sealed, seal
from innkeeper.server.model.master_secret import MasterSecret, Purpose


class Seals:
    """Purpose and issuer are part of every key, so a seal made for one thing opens nothing else (LG-07)."""

    def __init__(self, master: MasterSecret, issuer: str, random: Callable[[int], bytes]) -> None:
        self._master = master
        self._issuer = issuer
        self._random = random
        self._keys: dict[tuple[Purpose, int], bytes | None] = {}
        self._mac_keys: dict[tuple[Purpose, int], MacKey] = {}

    def seal(self, purpose: Purpose, plaintext: bytes, *, associated: bytes) -> bytes:
        """One byte of key id, then the sealed text."""
        key_id = self._master.current.key_id
        named = bytes([key_id])
        salt = self._random(SALT_BYTES)
        sealed = seal(self._key(purpose, key_id), plaintext, associated=named + associated, salt=salt)
        return named + sealed

    def open(self, purpose: Purpose, sealed: bytes, *, associated: bytes) -> bytes:
        """Raises `SealBroken` for anything that is not exactly what `seal` made."""
        if not sealed:
            raise SealBroken("empty")
        return open_sealed(self._key(purpose, sealed[0]), sealed[1:], associated=sealed[:1] + associated)

    def mac(self, purpose: Purpose, data: bytes) -> bytes:
        """Key id and HMAC-SHA-256."""
        key_id = self._master.current.key_id
        return bytes([key_id]) + self._mac_key(purpose, key_id).tag(data)

    def is_mac(self, purpose: Purpose, data: bytes, mac: bytes) -> bool:
        """In constant time."""
        if len(mac) != 33:
            return False
        try:
            key = self._mac_key(purpose, mac[0])
        except SealBroken:
            return False
        return constant_time_equal(key.tag(data), mac[1:])

    @property
    def current_key_id(self) -> int:
        """Which key of the ring makes what is new."""
        return self._master.current.key_id

    def tag(self, purpose: Purpose, key_id: int, data: bytes) -> bytes:
        """HMAC-SHA-256 under a key that the data itself names. Raises `SealBroken` when the ring has it no more."""
        return self._mac_key(purpose, key_id).tag(data)

    def is_tag(self, purpose: Purpose, key_id: int, data: bytes, tag: bytes) -> bool:
        """In constant time."""
        try:
            return constant_time_equal(self.tag(purpose, key_id, data), tag)
        except SealBroken:
            return False

    def key(self, purpose: Purpose) -> bytes:
        """The current key of a purpose, for digests that are compared and never opened."""
        return self._key(purpose, self._master.current.key_id)

    def _mac_key(self, purpose: Purpose, key_id: int) -> MacKey:
        key = self._mac_keys.get((purpose, key_id))
        if key is None:
            key = self._mac_keys[purpose, key_id] = MacKey(self._key(purpose, key_id))
        return key

    def _key(self, purpose: Purpose, key_id: int) -> bytes:
        if (purpose, key_id) not in self._keys:
            self._keys[purpose, key_id] = self._master.derive(purpose, self._issuer, key_id=key_id)
        key = self._keys[purpose, key_id]
        if key is None:
            raise SealBroken("made under a key that is not in the ring")
        return key
