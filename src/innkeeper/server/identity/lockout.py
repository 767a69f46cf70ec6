"""Which counters an attempt to sign in is counted on: address with account, account, address.

The small limit on the pair stops one guesser; the account's own limit (NIST: at most 100) stops many
addresses guessing at one account, and the address's limit stops one address trying many accounts.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from innkeeper.jose.hashes import hmac_sha256
from innkeeper.server.config import DeviceCodes, SignInLimits
from innkeeper.server.model.throttle import AttemptLimit


def limits(identifier: str, address: str, settings: SignInLimits, key: bytes) -> tuple[AttemptLimit, ...]:
    """`identifier` stands for the account, or is what was typed, normalised.

    Keys are MACs: who reads the table learns no names and can guess none.
    """
    group = address_group(address).encode()
    name = identifier.encode("utf-8", "surrogatepass")
    window = timedelta(seconds=settings.window_s)
    counted = (
        (b"address and account\0" + group + b"\0" + name, settings.attempts_per_address_and_account),
        (b"account\0" + name, settings.attempts_per_account),
        (b"address\0" + group, settings.attempts_per_address),
    )
    return tuple(
        AttemptLimit(key=hmac_sha256(key, what), attempts=attempts, window=window)
        for what, attempts in counted
    )


def device_starts(address: str, settings: DeviceCodes, key: bytes) -> tuple[AttemptLimit, ...]:
    """Anybody may start a device flow in a public app's name; one address cannot fill the store with them."""
    what = b"device start\0" + address_group(address).encode()
    window = timedelta(seconds=settings.window_s)
    return (AttemptLimit(key=hmac_sha256(key, what), attempts=settings.starts_per_address, window=window),)


def user_codes(
    address: str, person: str | None, settings: DeviceCodes, key: bytes
) -> tuple[AttemptLimit, ...]:
    """Wrong user codes are counted by address and all together (RFC 8628 §5.1).

    Somebody who is signed in has a counter of their own instead of the common one: when strangers guess, the common
    one closes the page to strangers alone.
    """
    group = address_group(address).encode()
    counted = [(b"user code at\0" + group, settings.wrong_codes_per_address)]
    if person is None:
        counted.append((b"user codes", settings.wrong_codes))
    else:
        counted.append((b"user code by\0" + person.encode(), settings.wrong_codes_per_person))
    window = timedelta(seconds=settings.window_s)
    return tuple(
        AttemptLimit(key=hmac_sha256(key, what), attempts=attempts, window=window)
        for what, attempts in counted
    )


@lru_cache(maxsize=4096)
def address_group(address: str) -> str:
    """What counts as one address. A household owns a whole IPv6 /64, so its addresses are one (BF-07)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
