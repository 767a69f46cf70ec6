"""The runner of broken builds tells a caught break from an unnoticed one, on a small house of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broken.build import Break, PatchRefusedError, build, outcomes_on, unnoticed

SOURCE = '"""A house of one room."""\n\n\ndef is_locked() -> bool:\n    """The defence."""\n    return True\n'
TESTS = """
from innkeeper import is_locked

def test_the_door_is_locked():
    assert is_locked()

def test_the_sky_is_blue():
    assert True

def test_nothing_runs(no_such_fixture):
    pass
"""
PATCH = """Some words.
Defence: the door is locked
Fails: test_house.py::test_the_door_is_locked

--- a/src/innkeeper/__init__.py
+++ b/src/innkeeper/__init__.py
@@ -4,3 +4,3 @@
 def is_locked() -> bool:
     \"\"\"The defence.\"\"\"
-    return True
+    return False
"""
ALL = tuple(
    f"test_house.py::{name}"
    for name in ("test_the_door_is_locked", "test_the_sky_is_blue", "test_nothing_runs")
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A repository with one source file and three tests."""
    root = tmp_path / "house"
    (root / "src" / "innkeeper").mkdir(parents=True)
    (root / "src" / "innkeeper" / "__init__.py").write_text(SOURCE, encoding="utf-8")
    (root / "test_house.py").write_text(TESTS, encoding="utf-8")
    return root


def a_patch(folder: Path, text: str) -> Break:
    path = folder / "x.patch"
    path.write_text(text, encoding="utf-8")
    return Break.read(path)


def test_only_a_test_that_fails_on_the_broken_build_has_noticed(house: Path, tmp_path: Path) -> None:
    folder = build(a_patch(tmp_path, PATCH), house, tmp_path / "broken")
    outcomes = outcomes_on(folder, ALL, tmp_path / "outcomes.json", root=house)
    assert unnoticed(ALL, outcomes) == list(ALL[1:])
    assert outcomes[ALL[2]] == "error"


def test_on_the_whole_build_nobody_notices_anything(house: Path, tmp_path: Path) -> None:
    outcomes = outcomes_on(house / "src", ALL[:1], tmp_path / "outcomes.json", root=house)
    assert unnoticed(ALL[:1], outcomes) == [ALL[0]]


def test_a_run_that_imports_another_build_is_refused(house: Path, tmp_path: Path) -> None:
    with pytest.raises(PatchRefusedError, match="is tested instead of"):
        outcomes_on(tmp_path / "elsewhere", ALL[:1], tmp_path / "outcomes.json", root=house)


def test_a_named_test_that_does_not_exist_is_refused(house: Path, tmp_path: Path) -> None:
    with pytest.raises(PatchRefusedError, match="did not run"):
        outcomes_on(house / "src", ("test_house.py::test_gone",), tmp_path / "outcomes.json", root=house)


def test_a_patch_that_no_longer_applies_is_refused(house: Path, tmp_path: Path) -> None:
    (house / "src" / "innkeeper" / "__init__.py").write_text("changed = True\n", encoding="utf-8")
    with pytest.raises(PatchRefusedError, match="no longer applies"):
        build(a_patch(tmp_path, PATCH), house, tmp_path / "broken")


@pytest.mark.parametrize("word", ["Defence", "Fails"])
def test_a_patch_without_head_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(PatchRefusedError, match="the head needs"):
        a_patch(tmp_path, PATCH.replace(f"{word}:", "Note:"))


def test_one_failing_case_of_a_parametrised_test_is_enough() -> None:
    outcomes = {"t.py::test_a[1]": "passed", "t.py::test_a[2]": "failed", "t.py::test_ab": "passed"}
    assert unnoticed(("t.py::test_a", "t.py::test_ab"), outcomes) == ["t.py::test_ab"]
