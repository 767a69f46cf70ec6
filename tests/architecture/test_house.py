"""The source tree obeys the house: sizes, names, imports, and nothing of anybody's machine in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import rules

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "innkeeper"
LEFT_OUT = {".git", "node_modules", "__pycache__", "build", "dist", "output"}
TEXTS = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".in",
    ".json",
    ".html",
    ".css",
    ".js",
    ".mjs",
    ".ts",
    ".sql",
    ".po",
    ".patch",
    "",
}

Rule = Callable[[str, str], Iterator[str]]
SOURCE_RULES: tuple[Rule, ...] = (
    rules.too_long,
    rules.undocumented,
    rules.exported_but_missing,
    rules.impure_rules,
    rules.side_doors,
    rules.members_that_know_each_other,
)


def files_of_the_repository() -> Iterator[Path]:
    """Every file that could be committed; works without git."""
    for folder, folders, names in ROOT.walk() if hasattr(ROOT, "walk") else walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not is_private(name)]
        # In a linked worktree `.git` is a file that names the main one.
        yield from (Path(folder, name) for name in names if Path(name).suffix in TEXTS and name != ".git")


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """`Path.walk` for Python 3.11."""
    import os

    for folder, folders, names in os.walk(root):
        yield Path(folder), folders, names


def is_private(folder: str) -> bool:
    """Virtual environments, caches and data folders: hidden, but not CI's."""
    return folder.startswith(".") and folder != ".ci"


@pytest.mark.parametrize("rule", SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_every_module_obeys(rule: Rule) -> None:
    modules = sorted(HOUSE.rglob("*.py"))
    assert modules, "no source was looked at"
    complaints = [
        complaint
        for module in modules
        for complaint in rule(module.relative_to(HOUSE).as_posix(), module.read_text(encoding="utf-8"))
    ]
    assert complaints == []


@pytest.mark.parametrize("folder", ["bench", "examples"])
def test_modules_and_functions_outside_the_house_stay_short_too(folder: str) -> None:
    complaints = [
        complaint
        for module in (ROOT / folder).rglob("*.py")
        if "node_modules" not in module.parts
        for complaint in rules.too_long(
            module.relative_to(ROOT).as_posix(), module.read_text(encoding="utf-8")
        )
    ]
    assert complaints == []


def test_every_folder_with_modules_is_a_package() -> None:
    assert list(rules.folders_without_init(HOUSE)) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = [path.relative_to(HOUSE).as_posix() for path in HOUSE.rglob("*.py")]
    assert [complaint for name in names for complaint in rules.vaguely_named(name)] == []


def test_no_file_names_a_place_outside_the_repository() -> None:
    files = list(files_of_the_repository())
    assert ROOT / "run.py" in files
    complaints = [
        complaint
        for path in files
        for complaint in rules.foreign_texts(
            path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        )
    ]
    assert complaints == []


@pytest.mark.parametrize("kind", ["build", "core", "dev"])
def test_python_packages_are_pinned_by_hash_and_without_address(kind: str) -> None:
    text = (ROOT / "requirements" / f"{kind}.txt").read_text(encoding="utf-8")
    assert list(rules.unpinned_requirements(f"{kind}.txt", text)) == []


def test_npm_packages_are_pinned_by_integrity_and_without_address() -> None:
    locks = [path for path in files_of_the_repository() if path.name == "package-lock.json"]
    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        assert list(rules.unpinned_npm_packages(lock.relative_to(ROOT).as_posix(), packages)) == []
