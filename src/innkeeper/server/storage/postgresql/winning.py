"""One statement for one transition: its condition, and in the same breath all that follows if it held.

`won` is the part that decides: it changes at most the rows that its condition names, and PostgreSQL asks the condition
again of a row that it had to wait for. Every other part happens only if `won` has a row. All of them see the database
as it was before the statement, so no part touches a row that another one inserts, and no table is changed by two:
engines that speak PostgreSQL's language refuse that, and PostgreSQL itself does not say which of the two it does.

Values have names (`:grant_id`), so that parts can share them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.statements import Row, Statements
from innkeeper.server.storage.rows import Value

IF_WON: Final = "WHERE EXISTS (SELECT 1 FROM won)"
_NAME: Final = re.compile(r":([a-z][a-z0-9_]*)")
_AUDIT_COLUMNS: Final = ("key", "at", "type", "record")
# A retry after a lost answer finds its own rows and leaves them as they are.
_AUDIT: Final = """
INSERT INTO audit_events (event_key, at, type, record)
{rows}
ON CONFLICT (event_key) DO NOTHING
"""
_AUDIT_ROW: Final = (
    "SELECT CAST(:key_{n} AS {bytes}), CAST(:at_{n} AS BIGINT), CAST(:type_{n} AS TEXT),"
    " CAST(:record_{n} AS {bytes}) WHERE EXISTS (SELECT 1 FROM won)"
)


class Winning:
    """Made for one try of a transition: a decision, and its consequences one by one."""

    __slots__ = ("_parts", "_values")

    def __init__(self, decision: str, values: Mapping[str, Value]) -> None:
        self._parts = [("won", decision)]
        self._values = dict(values)

    def then(self, name: str, sql: str, values: Mapping[str, Value]) -> None:
        """A consequence. Its statement says `IF_WON` itself."""
        self._parts.append((name, sql))
        self._values |= values

    def recorded(self, audit: AuditRows) -> None:
        """Its audit rows."""
        columns = audit.columns
        if columns:
            self._parts.append(("audit", _audit(len(columns))))
            for number, (key, at, kind, record) in enumerate(columns):
                values: tuple[Value, ...] = (key, at, kind, record)
                named = zip(_AUDIT_COLUMNS, values, strict=True)
                self._values |= {f"{name}_{number}": value for name, value in named}

    async def row(self, statements: Statements, answer: str = "SELECT 1 FROM won") -> Row | None:
        """What `answer` says, which may read `won` and, beside it, the state before; None: nothing happened."""
        sql, names = numbered(tuple(self._parts), answer)
        return await statements.row(sql, [self._values[name] for name in names])


@lru_cache(maxsize=512)
def numbered(parts: tuple[tuple[str, str], ...], answer: str) -> tuple[str, tuple[str, ...]]:
    """The text that PostgreSQL is given, and the names of its values in their order."""
    text = "WITH " + ",\n".join(f"{name} AS ({sql})" for name, sql in parts) + "\n" + answer
    names = tuple(dict.fromkeys(_NAME.findall(text)))
    places = {name: f"${place}" for place, name in enumerate(names, start=1)}
    return _NAME.sub(lambda match: places[match[1]], text), names


@lru_cache(maxsize=64)
def _audit(count: int) -> str:
    rows = [_AUDIT_ROW.format(n=number, bytes="BYTEA") for number in range(count)]
    return _AUDIT.format(rows="\nUNION ALL\n".join(rows))
