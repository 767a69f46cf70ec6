"""Which language a page speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.server.web.pages.locale import LOCALES, choose, direction


@pytest.mark.parametrize(
    ("ui_locales", "accept_language", "chosen"),
    [
        (None, None, "en"),
        ("", "", "en"),
        ("de", None, "de"),
        ("de-AT", None, "de"),
        ("de-Latn-CH-1996", None, "de"),
        ("AR-eg", None, "ar"),
        ("fr de ar", None, "de"),
        ("fr-CA", "ar;q=0.5", "ar"),
        ("de", "ar", "de"),
        (None, "de-DE,de;q=0.9,en;q=0.8", "de"),
        (None, "en;q=0.4, ar;q=0.7, de;q=0.5", "ar"),
        (None, "fr, it;q=0.9, *;q=0.1", "en"),
        (None, "ar;q=0, de;q=0.1", "de"),
        (None, "de;q=0", "en"),
        (None, "de;q=nonsense", "en"),
        (None, "de;q=1.5", "en"),
        (None, "de ;Q=0.3", "de"),
        ("german", None, "en"),
        ("d", None, "en"),
        ("../../etc/passwd", None, "en"),
        ("de\x00", None, "en"),
        ("<script>", "<script>;q=1", "en"),
    ],
)
def test_ui_locales_goes_first_then_the_browser_then_english(
    ui_locales: str | None, accept_language: str | None, chosen: str
) -> None:
    assert choose(ui_locales, accept_language) == chosen


def test_an_endless_list_is_read_up_to_a_bound() -> None:
    assert choose("fr " * 16 + "de", None) == "en"
    assert choose(None, "fr," * 1_000_000 + "de") == "en"
    assert choose("x" * 10_000_000, "-" * 10_000_000) == "en"


@given(st.text(), st.text())
def test_garbage_never_fails(ui_locales: str, accept_language: str) -> None:
    assert choose(ui_locales, accept_language) in LOCALES


def test_arabic_runs_from_right_to_left() -> None:
    assert [direction(locale) for locale in LOCALES] == ["ltr", "ltr", "rtl"]
