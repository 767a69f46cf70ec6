"""What an app calls itself cannot mislead the eye (XS-07, ASVS V10.4.7)."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from innkeeper.server.web.pages.plain_text import host, link_target, plain, visible


@pytest.mark.parametrize("override", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_a_direction_override_shows_as_a_replacement_character(override: str) -> None:
    assert plain(f"Pay{override}moc.evil") == "Pay\ufffdmoc.evil"


@pytest.mark.parametrize(
    "hidden", "\u200b\u2060\u2061\ufeff\u3164\u2800\U000e0041\x00\x1b\x7f\x85\ud800\ue000"
)
def test_an_invisible_character_shows_as_a_replacement_character(hidden: str) -> None:
    assert "\ufffd" in plain(f"Pay{hidden}pal") or plain(f"Pay{hidden}pal") == "Pay pal"
    assert hidden not in plain(f"Pay{hidden}pal")


@pytest.mark.parametrize("joiner", "\u00ad\u034f\u061c\u200c\u200d\u200e\u200f\ufe0f")
def test_joiners_of_honest_scripts_are_dropped_without_a_trace(joiner: str) -> None:
    assert plain(f"Pay{joiner}pal") == "Paypal"


def test_a_run_of_hidden_characters_shows_once() -> None:
    assert plain("a" + "\u200b\u202e" * 40 + "b") == "a\ufffdb"


@pytest.mark.parametrize("lookalike", ["pаypal", "gооgle", "αpple", "mіcrosoft"])
def test_a_word_that_mixes_latin_with_lookalikes_shows_the_strangers(lookalike: str) -> None:
    assert "\ufffd" in plain(lookalike)
    assert plain(lookalike).isascii() is False
    assert lookalike not in plain(f"the {lookalike} app")


@pytest.mark.parametrize(
    "name",
    [
        "Зарплата",
        "Μισθός",
        "متجر الأخبار",
        "給与明細",
        "Überstunden",
        "Łódź Café",
        "Timesheets Αθήνα",
        "급여 😀",
    ],
)
def test_honest_names_in_any_script_stay_as_they_are(name: str) -> None:
    assert plain(name) == unicodedata.normalize("NFC", name)


def test_lines_and_spaces_become_one_line() -> None:
    assert plain("  Pay\r\n\n\tcheck\u2028\u3000now ") == "Pay check now"


def test_a_heap_of_accents_is_cut_to_three() -> None:
    assert len(plain("x" + "\u0336" * 50)) == 4


def test_long_text_is_cut_with_an_ellipsis_so_that_it_cannot_push_the_rest_away() -> None:
    assert plain("x" * 10_000) == "x" * 199 + "…"
    assert visible("y" * 10_000, 80) == "y" * 79 + "…"


@given(st.text(st.characters(codec=None, categories=None), max_size=300))
@example("A\ua67f\ud7fc")  # a stranger among the letters, then something hidden
def test_whatever_goes_in_one_visible_line_comes_out(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= 200
    shown.encode("utf-8")
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)
    assert plain(shown) == shown


@pytest.mark.parametrize(
    ("given_host", "shown"),
    [
        ("app.example", "app.example"),
        ("localhost:8004", "localhost:8004"),
        ("[::1]:8004", "[::1]:8004"),
        ("127.0.0.1", "127.0.0.1"),
        ("xn--pypal-4ve.example", "xn--pypal-4ve.example"),
        ("pаypal.example", "xn--pypal-4ve.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_shown_as_the_network_knows_it(given_host: str, shown: str) -> None:
    assert host(given_host) == shown


@pytest.mark.parametrize(
    "odd", ["a\u202eb.example", "ü" * 80 + ".example", "", "..", "a b", "\ud800.example"]
)
def test_an_impossible_host_is_still_shown_without_hidden_characters(odd: str) -> None:
    assert not set(host(odd)) & set("\u202e\ud800")


@pytest.mark.parametrize("url", ["/", "/sign-in?x=1", "https://app.example/login", "http://localhost:8001/"])
def test_a_link_may_lead_to_a_path_here_or_to_http(url: str) -> None:
    assert link_target(url) == url


@pytest.mark.parametrize(
    "url", [None, "", "//evil.example", "javascript:1", "https://a b", "app:open", "/\\evil"]
)
def test_a_link_may_lead_nowhere_else(url: str | None) -> None:
    assert link_target(url) is None
