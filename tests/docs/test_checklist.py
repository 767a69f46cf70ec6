"""Every line of the checklist names tests that exist, or says plainly what is not built and what brings it."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import CODE, DOCS, ROOT, prose_of, table_of

PAGE = DOCS / "checklist.md"
LINES = 80
STORIES = {"T": 57, "D": 20}
NAMED = re.compile(r"tests/[\w/]+\.py::\w+")
MISSING = "**Not built yet**:"


@cache
def collected_in(path: str) -> frozenset[str]:
    """The functions and classes of a test file that pytest would collect, and names that are bound to classes."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    defined = {
        node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    bound = {
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return frozenset(name for name in defined | bound if name.startswith(("test_", "Test")))


def is_collected(name: str) -> bool:
    path, _, test = name.partition("::")
    return test in collected_in(path)


def rows() -> list[list[str]]:
    """Of every table with numbers."""
    found: list[list[str]] = []
    for line in prose_of(PAGE).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.match(r"\d+$", cells[0]):
            found.append(cells)
    return found


def steps() -> list[list[str]]:
    return table_of(PAGE, "steps")


def test_every_number_is_there_once() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, LINES + 1))


def test_every_step_of_both_stories_is_there_once() -> None:
    told: list[str] = []
    for row in steps():
        for part in row[0].split(", "):
            letter = part[0]
            first, _, last = part.replace(letter, "").partition(" to ")
            told += [f"{letter}{number}" for number in range(int(first), int(last or first) + 1)]
    wanted = [f"{letter}{number}" for letter, count in STORIES.items() for number in range(1, count + 1)]
    assert sorted(told) == sorted(wanted)


@pytest.mark.parametrize("row", [*rows(), *steps()], ids=lambda row: row[0])
def test_a_line_is_shown_by_tests_that_exist_or_says_what_is_missing(row: list[str]) -> None:
    names = NAMED.findall(row[2])
    assert names or MISSING in row[2]
    assert not [name for name in names if not is_collected(name)]
    for missing in row[2].split(MISSING)[1:]:
        assert re.search(r"\bcomes?\b", missing), "what brings it?"


def test_all_that_looks_like_a_test_is_looked_at() -> None:
    spelled = [code for code in CODE.findall(prose_of(PAGE)) if code.startswith("tests/")]
    assert spelled and [code for code in spelled if NAMED.fullmatch(code) is None] == []
    assert [code for code in spelled if not is_collected(code)] == []
