"""How far a table has come, and a digest that does not mind the order."""

from __future__ import annotations

import pytest

from innkeeper.server.storage.schema import marks
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.schema.migrations import SchemaRefused, load, pending, tables_of
from innkeeper.server.storage.transfer import progress
from innkeeper.server.storage.transfer.records import Position, Row, Table

TABLE = Table(name="consents", columns=("api", "client_id", "record"), key=("client_id", "api"))
ROWS: list[Row] = [("", "app", b"1"), ("api", "app", b"2"), ("api", "bpp", None)]


def after(*rows: Row) -> Position:
    return Position().with_rows(TABLE, rows)


def test_the_order_of_rows_and_the_size_of_steps_do_not_matter() -> None:
    together = after(*ROWS)
    assert after(*reversed(ROWS)).agrees_with(together)
    assert after(ROWS[0]).with_rows(TABLE, ROWS[1:]).agrees_with(together)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:2],
        [*ROWS, ROWS[0]],
        [ROWS[0], ROWS[0], ROWS[1]],
        [*ROWS[:2], ("api", "bpp", b"")],
        [*ROWS[:2], ("apib", "pp", None)],
        [("", "app", "1"), *ROWS[1:]],
    ],
    ids=["fewer", "more", "one twice", "empty for null", "moved border", "text for bytes"],
)
def test_other_rows_have_another_digest(rows: list[Row]) -> None:
    assert not after(*rows).agrees_with(after(*ROWS))


def test_it_remembers_the_key_of_the_last_row_and_knows_its_end() -> None:
    position = after(*ROWS)
    assert (position.last_key, position.row_count, position.is_complete) == (("bpp", "api"), 3, False)
    assert position.with_rows(TABLE, []).is_complete


@pytest.mark.parametrize("position", [Position(), after(*ROWS), after(*ROWS).with_rows(TABLE, [])])
def test_a_position_comes_back_from_its_columns(position: Position) -> None:
    row_count, digest, last_key, is_complete = progress.columns(position)
    stored = [("consents", row_count, digest, last_key, is_complete)]
    assert progress.positions(stored) == {"consents": position}


def test_the_tables_are_those_that_the_migrations_made_and_did_not_drop() -> None:
    tables = tables_of(load())
    assert {"instance", "grants", "refresh_families", "access_tokens"} <= set(tables)
    assert len(set(tables)) == len(tables)


@pytest.mark.parametrize("kind", ["backup", "arriving", "leaving", "left"])
def test_a_marked_database_is_refused_with_what_to_do(kind: marks.Kind) -> None:
    mark = Mark(kind=kind, transfer="ab12", place="/a place/of mine")
    assert marks.parse(mark.text) == mark
    applied = [(migration.number, migration.checksum) for migration in load()]
    with pytest.raises(SchemaRefused) as refused:
        pending([*applied, (marks.NUMBER, mark.text)])
    assert str(refused.value) == mark.refusal
    assert "innkeeper" in mark.refusal or "database.url" in mark.refusal or "same command" in mark.refusal


def test_a_mark_of_a_later_version_is_refused_too() -> None:
    with pytest.raises(SchemaRefused, match="newer Innkeeper"):
        pending([(marks.NUMBER, "frozen ab12 somewhere")])


def test_an_older_version_takes_a_mark_for_a_newer_schema() -> None:
    assert max(migration.number for migration in load()) < marks.NUMBER
