"""Handles: what leaves the server, and what stays."""

from __future__ import annotations

import pytest

from innkeeper.jose import base64url
from innkeeper.server.model import handle

KINDS: tuple[handle.HandleKind, ...] = ("ik_ac_", "ik_at_", "ik_se_", "ik_ln_")


def mint(
    kind: handle.HandleKind = "ik_ac_", expiry_s: int = 2_000_000_000, counter: int = 0
) -> tuple[str, bytes]:
    return handle.mint(kind, latest_expiry_s=expiry_s, counter=counter, random=b"r" * 32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_leads_to_its_key_and_to_no_other_kind(kind: handle.HandleKind) -> None:
    text, key = mint(kind)
    assert text.startswith(kind)
    assert [other for other in KINDS if handle.key_of(other, text) == key] == [kind]


def test_the_key_holds_the_order_and_nothing_of_the_random_part() -> None:
    text, key = mint()
    raw = base64url.decode(text[6:])
    assert key[:8] == raw[:8] and raw[8:] == b"r" * 32
    assert raw[8:16] not in key and len(key) == 40


def test_keys_sort_by_latest_expiry_and_then_by_counter() -> None:
    minted = [
        mint(expiry_s=expiry, counter=counter)[1]
        for expiry in (1, 255, 256, 2**39)
        for counter in (0, 1, 2**24 - 1)
    ]
    assert minted == sorted(minted)


def test_the_counter_begins_again_after_its_three_bytes() -> None:
    assert mint(counter=2**24)[1] == mint(counter=0)[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "=",
        lambda text: text[6:],
        lambda text: text.upper(),
        lambda text: " " + text,
        lambda text: text[:-1] + "é",
        lambda text: text + "A" * 200,
        lambda text: "ik_ac_",
        lambda text: "",
    ],
)
def test_what_cannot_be_a_handle_has_no_key(change: object) -> None:
    assert callable(change)
    assert handle.key_of("ik_ac_", change(mint()[0])) is None


def test_one_other_bit_of_the_random_part_is_another_key() -> None:
    text, key = mint()
    raw = bytearray(base64url.decode(text[6:]))
    raw[20] ^= 1
    assert handle.key_of("ik_ac_", "ik_ac_" + base64url.encode(bytes(raw))) not in (None, key)
