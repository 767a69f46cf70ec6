"""The SQL of the PostgreSQL store is portable: engines that distribute rows over machines can carry it.

Here every statement and every part of one is looked at as it stands in the source; the contract suite looks at what is
really sent, transition by transition (`tests/contract/store/conftest.py`).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from innkeeper.server.storage import postgresql
from innkeeper.server.storage.postgresql.schema import PLACEHOLDERS
from innkeeper.server.storage.schema import migrations
from tests.architecture.portable_sql import PRIMARY_KEYS, faults_of, modified, unkeyed

# What administrators and the last word on a person do, once in a while: a few rows by an index of their own.
BY_ANOTHER_INDEX = {
    "sessions.END": "a browser's handles end together, found by the session's public id",
    "sessions.DELETE_ALL": "the same, for the session that a new one replaces",
    "people.DELETE_IDENTIFIERS": "of one person",
    "people.DELETE_SESSIONS": "of one person",
    "people.DELETE_CONSENTS": "of one person",
    "clients.DELETE_CONSENTS": "of one app",
    "clients.DELETE_ORIGINS": "of one app",
    "links.USE": "with one link every other of its kind is spent, and there are few",
    "registry.DELETE_KEYS": "the keys are few, and are put as a whole",
}
# Which form of a rotation is sent is the operator's choice; a copy of a whole database is no transition.
NOT_PORTABLE = {f"{postgresql.__name__}.{name}" for name in ("batches", "transfer")}


def statements() -> Iterator[tuple[str, str]]:
    """Every statement and every part of one, with its name."""
    for info in pkgutil.iter_modules(postgresql.__path__, f"{postgresql.__name__}."):
        if info.name in NOT_PORTABLE:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            texts = value if isinstance(value, tuple) else (value,)
            for number, text in enumerate(text for part in texts for text in _texts(part)):
                if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE)\b", text):
                    yield f"{info.name.rpartition('.')[2]}.{name}{number or ''}", text


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (list, tuple)):
        for inner in part:
            yield from _texts(inner)
    elif hasattr(part, "__struct_fields__"):
        for field in part.__struct_fields__:
            yield from _texts(getattr(part, field))


STATEMENTS = dict(statements())


def test_there_are_as_many_as_one_would_think() -> None:
    assert len(STATEMENTS) > 120
    changed = {table for sql in STATEMENTS.values() for table in modified(sql)}
    assert changed >= PRIMARY_KEYS.keys() - {"schema_migrations"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_portable(name: str) -> None:
    assert list(faults_of(STATEMENTS[name])) == []


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_change_names_its_rows_by_their_primary_key(name: str) -> None:
    assert bool(list(unkeyed(STATEMENTS[name]))) == (name in BY_ANOTHER_INDEX)


@pytest.mark.parametrize("migration", migrations.load(), ids=lambda migration: migration.name)
def test_a_migration_is_portable(migration: migrations.Migration) -> None:
    for statement in migration.statements({**PLACEHOLDERS, "hot": ""}):
        assert list(faults_of(statement)) == [], statement


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE grants SET revoked_at = 1 WHERE grant_id = ANY($1)",
        "INSERT INTO grants SELECT * FROM unnest($1)",
        "SELECT CAST($1 AS TEXT[])",
        "SELECT $1::text",
        "SELECT pg_advisory_xact_lock(1)",
        "NOTIFY changed",
        "SELECT 1 FROM leases FOR UPDATE SKIP LOCKED",
        "DELETE FROM grants WHERE ctid = (SELECT ctid FROM grants LIMIT 1)",
        "CREATE FUNCTION f() RETURNS int",
        "CREATE TABLE t (id BIGSERIAL PRIMARY KEY)",
        "CREATE TABLE t (id TEXT REFERENCES grants)",
        "CREATE INDEX i ON grants (user_id) WHERE revoked_at IS NULL",
        "CREATE INDEX i ON grants (lower(user_id))",
        "INSERT INTO grants VALUES ($1) ON CONFLICT ON CONSTRAINT grants_pkey DO NOTHING",
        "INSERT INTO grants VALUES ($1) ON CONFLICT (user_id) DO NOTHING",
        "WITH won AS (INSERT INTO grants VALUES ($1)) UPDATE grants SET api = '' WHERE grant_id = $1",
        "WITH won AS (DELETE FROM sessions WHERE session_key = $1) INSERT INTO sessions VALUES ($2)",
    ],
)
def test_what_is_not_portable_is_seen(sql: str) -> None:
    assert list(faults_of(sql))


def test_a_change_by_another_column_is_seen() -> None:
    assert list(unkeyed("UPDATE grants SET revoked_at = $1\nWHERE user_id = $2"))
    assert list(unkeyed("DELETE FROM consents WHERE user_id = $1 AND client_id = $2"))
    assert not list(unkeyed("DELETE FROM consents WHERE user_id = $1 AND client_id = $2 AND api = $3"))
    assert not list(unkeyed("UPDATE grants SET revoked_at = $1\nWHERE grant_id = $2 RETURNING grant_id"))


def test_a_conflict_belongs_to_the_insert_before_it() -> None:
    first = (
        "WITH won AS (INSERT INTO grants VALUES ($1))"
        " INSERT INTO {table} VALUES ($2) ON CONFLICT (event_key) DO NOTHING"
    )
    assert list(faults_of(first.format(table="audit_events"))) == []
    assert list(faults_of(first.format(table="leases")))


def test_an_upsert_and_a_held_row_are_no_second_change() -> None:
    sql = (
        "WITH held AS (SELECT 1 FROM throttles FOR UPDATE) INSERT INTO throttles VALUES ($1)"
        " ON CONFLICT (throttle_key) DO UPDATE SET used = 1"
    )
    assert list(faults_of(sql)) == []
    assert modified(sql) == ["throttles"]
