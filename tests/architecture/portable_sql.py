"""What SQL may say so that every engine that speaks PostgreSQL's language carries it, and says the same by it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from innkeeper.server.storage.schema import migrations

# Each is missing somewhere, means something else there, or ties the rows to one machine.
FORBIDDEN: Final[Mapping[str, str]] = {
    "an array": r"\bunnest\b|\barray\b|\[\s*\]|\bany\s*\(\s*\$",
    "a cast that only PostgreSQL writes": r"::",
    "an advisory lock": r"\bpg_(try_)?advisory",
    "another of PostgreSQL's own functions": r"\bpg_\w+\s*\(",
    "a notification": r"\b(un)?listen\b|\bnotify\b",
    "a lock that is jumped over": r"\bskip\s+locked\b|\bnowait\b",
    "a lock on a table": r"\block\s+table\b",
    "a column of the engine's own": r"\b(ctid|xmin|xmax|tableoid|oid)\b",
    "a stored procedure": r"\bcreate\s+(or\s+replace\s+)?(function|procedure|trigger|rule|view|type|domain|extension)\b"
    r"|\bcall\s+\w+\s*\(|\bdo\s+\$",
    "a number that the engine draws": r"\b(big)?serial\b|\bnextval\b|\bidentity\b|\bsequence\b|\bautoincrement\b",
    "a constraint that waits": r"\bdeferrable\b|\binitially\b",
    "a type that only PostgreSQL has": r"\b(jsonb?|hstore|uuid|inet|citext|enum|timestamptz?|interval)\b",
    "an index on a part or on an expression": r"\bcreate\s+(unique\s+)?index\b[^;]*\bwhere\b"
    r"|\bcreate\s+(unique\s+)?index\b[^(;]*\([^)]*\(",
    "a statement of PostgreSQL's own": r"\bmerge\b|\btruncate\b|\bcopy\b|\bdistinct\s+on\b|\blateral\b"
    r"|\bwith\s+recursive\b",
    "a conflict that is named by its constraint": r"\bon\s+constraint\b",
    "a foreign key": r"\breferences\b|\bforeign\s+key\b",
}
_MODIFIED: Final = re.compile(
    r"\binsert\s+into\s+(\w+)|(?<!\bfor )(?<!\bdo )\bupdate\s+(\w+)|\bdelete\s+from\s+(\w+)", re.IGNORECASE
)
_TARGET: Final = re.compile(
    r"\binsert\s+into\s+(\w+)(?:(?!\binsert\s).)*?\bon\s+conflict\s*\(([^)]*)\)", re.IGNORECASE | re.DOTALL
)
_TABLE: Final = re.compile(r"CREATE TABLE (\w+) \((.*?)\n\)", re.DOTALL)


def faults_of(sql: str) -> Iterator[str]:
    """What one statement says that it must not."""
    for what, pattern in FORBIDDEN.items():
        if found := re.search(pattern, sql, re.IGNORECASE):
            yield f"{what}: {found[0]!r}"
    tables = modified(sql)
    for table in sorted({table for table in tables if tables.count(table) > 1}):
        yield f"changes {table} twice"
    for table, columns in _TARGET.findall(sql):
        named = [column.strip() for column in columns.split(",")]
        if named != PRIMARY_KEYS.get(table):
            yield f"a conflict in {table} is not about its primary key"


def unkeyed(sql: str) -> Iterator[str]:
    """Changes of rows that are not named by their primary key: every shard would be asked."""
    sql = " ".join(sql.lower().split())
    for found in _MODIFIED.finditer(sql):
        table = found[2] or found[3]
        where = _without_inner(sql[found.end() :].partition(" where ")[2]).partition(" returning ")[0]
        for column in PRIMARY_KEYS.get(table, ()):
            if not re.search(rf"(?<!\w){column} (=|in \()", where):
                yield f"changes rows of {table} without naming their {column}"


def _without_inner(text: str) -> str:
    """What stands in brackets says which key, not that it is one."""
    while (shorter := re.sub(r"\([^()]+\)", "()", text)) != text:
        text = shorter
    return text


def modified(sql: str) -> list[str]:
    """The tables that it changes, each as often as it does."""
    return [next(filter(None, found)) for found in _MODIFIED.findall(sql)]


def primary_keys() -> dict[str, list[str]]:
    """Of every table, from the migrations."""
    keys: dict[str, list[str]] = {"schema_migrations": ["number"]}
    for migration in migrations.load():
        for table, body in _TABLE.findall(migration.text):
            together = re.search(r"^\s*PRIMARY KEY \(([^)]*)\)", body, re.MULTILINE)
            alone = re.search(r"^\s*(\w+) .*PRIMARY KEY", body, re.MULTILINE)
            columns = together[1] if together else alone[1] if alone else ""
            keys[table] = [column.strip() for column in columns.split(",")]
    return keys


PRIMARY_KEYS: Final = primary_keys()
