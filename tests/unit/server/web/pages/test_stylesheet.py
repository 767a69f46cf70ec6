"""The stylesheet and the drawings: small, ours alone, readable in light and dark (WCAG 2.2 AA)."""

import hashlib
import re
from typing import Final

import pytest

from innkeeper.server.web.pages.view import STATIC_FOLDER, static_url

CSS: Final = (STATIC_FOLDER / "innkeeper.css").read_text(encoding="utf-8")
LARGEST_CSS_BYTES: Final = 10 * 1024

TEXT_ON: Final = [
    ("ink", "paper"),
    ("ink", "sheet"),
    ("ink", "well"),
    ("soft", "paper"),
    ("soft", "sheet"),
    ("soft", "well"),
    ("act", "sheet"),
    ("act", "well"),
    ("act-ink", "act"),
    ("act-ink", "act-over"),
    ("alarm", "alarm-wash"),
    ("tag-ink", "tag"),
    ("tag-soft", "tag"),
    ("brass", "tag"),
]
EDGE_ON: Final = [("line", "sheet"), ("alarm", "sheet"), ("act", "sheet")]


def test_it_is_small() -> None:
    assert len(CSS.encode()) <= LARGEST_CSS_BYTES


def test_it_loads_nothing_from_anywhere() -> None:
    assert not re.search(r"url\(|@import|@font-face|//\S|expression", CSS)


def test_it_uses_no_physical_sides_so_that_right_to_left_needs_no_second_sheet() -> None:
    declarations = re.findall(r"[{;]\s*([a-z-]+)\s*:", CSS)
    physical = re.compile(
        r"(margin|padding|border)-(left|right|top|bottom)|left|right|top|bottom|float|(min-|max-)?(width|height)"
    )
    assert [name for name in declarations if physical.fullmatch(name)] == []


@pytest.mark.parametrize(
    "query", ["prefers-color-scheme: dark", "prefers-reduced-motion: no-preference", "forced-colors: active"]
)
def test_it_listens_to_what_the_person_prefers(query: str) -> None:
    assert f"@media ({query})" in CSS


def test_every_token_that_is_used_is_defined_and_every_defined_one_is_used() -> None:
    assert set(re.findall(r"var\((--[a-z-]+)\)", CSS)) == set(re.findall(r"(--[a-z-]+):", CSS))


@pytest.mark.parametrize("scheme", ["light", "dark", "alarm"])
@pytest.mark.parametrize(("front", "back"), TEXT_ON)
def test_text_stands_out_from_its_ground_by_four_and_a_half(scheme: str, front: str, back: str) -> None:
    tokens = _tokens(scheme)
    assert _contrast(tokens[front], tokens[back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), EDGE_ON)
def test_edges_of_fields_and_the_focus_ring_stand_out_by_three(scheme: str, front: str, back: str) -> None:
    tokens = _tokens(scheme)
    assert _contrast(tokens[front], tokens[back]) >= 3


@pytest.mark.parametrize("name", ["key.svg", "hook.svg", "icon.svg"])
def test_a_drawing_is_a_small_file_without_script_style_or_reference(name: str) -> None:
    drawing = (STATIC_FOLDER / name).read_text(encoding="utf-8")
    assert len(drawing) < 1024
    assert not re.search(r"<script|<style|style=|href|\bon[a-z]+=|<!|<image|<foreign", drawing)


def test_the_url_of_a_static_file_changes_with_its_content() -> None:
    digest = hashlib.sha256((STATIC_FOLDER / "innkeeper.css").read_bytes()).hexdigest()
    assert static_url("innkeeper.css") == f"/static/innkeeper.css?v={digest[:12]}"


def _tokens(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    tokens = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    if scheme == "dark":
        tokens |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))
    if scheme == "alarm":
        (alarm,) = re.findall(r"\.alarm \{(.*?)\}", CSS)
        tokens |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", alarm))
    return tokens


def _contrast(front: str, back: str) -> float:
    lighter, darker = sorted((_luminance(front), _luminance(back)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
