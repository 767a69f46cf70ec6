"""Every link leads somewhere, and no page says what only its writers would understand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchor, anchors_of, links_of, named, pages

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD|WIP|lorem ipsum|to be written|coming soon)\b", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\b(COLD|WARM)_[A-Z]+\b|\bSNIPPET\b|\bDEFENCES\b")
OF_THIS_MACHINE = re.compile(r"/(home|Users|root|tmp|work)/\w+")
OF_THE_WORK = re.compile(
    r"(?<!-)\b(seeds?|issue #?\d+|Jira|Confluence|publiq|UiTID|UiTdatabank|remove before merge|R-[A-Z]{2}\d+)\b"
)

every_page = pytest.mark.parametrize("page", pages(), ids=named)


@every_page
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    dead = [link for link in links_of(page) if is_dead(link, page)]
    assert dead == []


def is_dead(link: str, page: Path) -> bool:
    """Other hosts are not asked: a test stays on this machine."""
    if link.startswith(("https://", "mailto:")):
        return False
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or ROOT not in (target, *target.parents):
        return True
    return bool(fragment) and target.suffix == ".md" and fragment not in anchors_of(target)


@every_page
def test_a_page_is_finished_and_belongs_to_every_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [
        match[0]
        for words in (UNFINISHED, PLACEHOLDER, OF_THIS_MACHINE, OF_THE_WORK)
        for match in words.finditer(text)
    ]
    assert found == []


@every_page
def test_a_page_has_one_title_and_something_to_say(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len([line for line in lines if line.strip()]) > 4


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=named)
def test_every_page_is_found_from_the_start(page: Path) -> None:
    index = DOCS / "index.md"
    assert page == index or page.name in {link.partition("#")[0] for link in links_of(index)}


def test_every_decision_is_listed_and_has_the_same_parts() -> None:
    listed = links_of(DOCS / "decisions" / "README.md")
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [record.name for record in records] == listed
    assert [record.name[:4] for record in records] == [
        f"{number:04}" for number in range(1, len(records) + 1)
    ]
    for record in records:
        parts = {"context", "decision", "refused", "consequences", "evidence"}
        assert parts <= anchors_of(record), named(record)


def test_an_anchor_is_made_as_forges_make_it() -> None:
    assert anchor("The road of `/authorize`") == "the-road-of-authorize"
    assert anchor("What it answers, and why") == "what-it-answers-and-why"


def test_a_dead_link_is_noticed() -> None:
    index = DOCS / "index.md"
    assert is_dead("nowhere.md", index) and is_dead("tokens.md#nowhere", index)
    assert not is_dead("tokens.md#keys", index)
