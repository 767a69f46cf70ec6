"""Migrations expand, so that the version before goes on beside them; what contracts is later, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.migrations import Migration

# These made the schema before there was a running version to spare.
BASE = 9
COLUMN = re.compile(
    r"ALTER TABLE \w+ ADD COLUMN \w+ (\{bytes\}|TEXT|BIGINT|SMALLINT)( NOT NULL DEFAULT \S+)?"
)


def complaints(migration: Migration) -> Iterator[str]:
    """What the version before could trip over (docs/decisions, expand and contract)."""
    if migration.number <= BASE or migration.name.startswith("contract_"):
        return
    made: set[str] = set()
    for statement in migration.statements({}):
        if table := re.match(r"CREATE TABLE (\w+)", statement):
            made.add(table[1])
        elif index := re.match(r"CREATE (UNIQUE )?INDEX \w+ ON (\w+)", statement):
            if index[1] and index[2] not in made:
                yield f"{migration.number}: an older version may write what a new unique index forbids"
        elif row := re.match(r"INSERT INTO (\w+)", statement):
            if row[1] not in made:
                yield f"{migration.number}: writes to {row[1]}, which an older version uses"
        elif not COLUMN.fullmatch(statement):
            yield f"{migration.number}: {statement.split('(')[0].strip()}"


@pytest.mark.parametrize("migration", migrations.load(), ids=lambda migration: str(migration.number))
def test_a_migration_expands_or_says_that_it_contracts(migration: Migration) -> None:
    assert list(complaints(migration)) == []


def test_they_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in migrations.load()] == list(range(1, len(migrations.load()) + 1))


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE roles",
        "ALTER TABLE roles DROP COLUMN record",
        "ALTER TABLE roles RENAME TO groups",
        "ALTER TABLE roles ADD COLUMN more BIGINT NOT NULL",
        "DELETE FROM sessions",
        "UPDATE grants SET revoked_at = 0",
        "INSERT INTO roles VALUES ('x', 1, '')",
        "CREATE UNIQUE INDEX one_name ON users (record)",
    ],
)
def test_what_the_version_before_would_trip_over_is_complained_about(text: str) -> None:
    assert list(complaints(Migration(number=BASE + 1, name="x", text=text, checksum="")))
    assert not list(complaints(Migration(number=BASE + 1, name="contract_x", text=text, checksum="")))


def test_what_expands_is_fine() -> None:
    text = (
        "CREATE TABLE teams (id TEXT NOT NULL PRIMARY KEY); CREATE UNIQUE INDEX t ON teams (id);"
        " INSERT INTO teams VALUES ('all'); ALTER TABLE users ADD COLUMN team TEXT;"
        " ALTER TABLE users ADD COLUMN size BIGINT NOT NULL DEFAULT 0; CREATE INDEX u ON users (team)"
    )
    assert not list(complaints(Migration(number=BASE + 1, name="x", text=text, checksum="")))
