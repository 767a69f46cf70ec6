"""Properties of names and addresses that a person signs in with."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from string import ascii_letters, digits
from unicodedata import normalize

from hypothesis import example, given
from hypothesis import strategies as st

from innkeeper.server.identity.identifiers import MAX_CHARS, email_problem, normalise, username_problem
from innkeeper.server.identity.lockout import address_group

texts = st.text(max_size=300)
names = st.text(alphabet=f"{ascii_letters}{digits}._-àéîöüÿßÀÉÎÖÜØø", min_size=1, max_size=40)


@given(texts)
@example("\u0130")
@example("\u00a8x")
@example("ǅ")
@example("\u1e9e")
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    if once is not None:
        assert normalise(once) == once


@given(texts)
def test_a_normal_name_is_short_visible_and_without_white_space(text: str) -> None:
    once = normalise(text)
    if once is not None:
        assert 0 < len(once) <= MAX_CHARS
        assert once.isprintable()
        assert not any(char.isspace() for char in once)


@given(names)
def test_BF_05_case_width_composition_and_spaces_around_make_no_other_name(name: str) -> None:
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in name)
    spellings = (name.upper(), name.lower(), f"  {name}\t", wide, normalize("NFD", name))
    assert {normalise(spelling) for spelling in spellings} == {normalise(name)}


@given(texts)
def test_a_username_an_email_and_a_phone_number_never_share_a_normal_form(text: str) -> None:
    normal = normalise(text)
    if username_problem(text) is None:
        assert normal is not None
        assert "@" not in normal
        assert not normal.startswith("+")
        assert email_problem(text) is not None


@given(st.text(alphabet="0123456789 ().-/", min_size=1, max_size=40))
def test_a_phone_number_has_one_form_however_it_is_grouped(text: str) -> None:
    normal = normalise("+" + text)
    number = "".join(char for char in text if char.isdigit())
    if normal is not None and number:
        assert normal == f"+{number}"
        assert normalise("00" + number) == normal


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_BF_07_one_64_is_one_group_and_two_are_two(network: int, one: int, other: int) -> None:
    def at(prefix: int, host: int) -> str:
        return str(IPv6Address(prefix << 64 | host))

    if network != 0:  # ::/64 holds the forms that stand for IPv4
        assert address_group(at(network, one)) == address_group(at(network, other))
        assert address_group(at(network, one)) != address_group(at(network ^ 1 or 2, one))


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_the_same_when_it_comes_mapped(number: int) -> None:
    address = str(IPv4Address(number))
    assert address_group(f"::ffff:{address}") == address_group(address) == address


@given(texts)
def test_anything_has_a_group(text: str) -> None:
    assert address_group(text)
