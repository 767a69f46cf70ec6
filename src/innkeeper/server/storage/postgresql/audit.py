"""Reading the audit rows that transitions have written."""

from typing import Final

from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.rows import from_us

LIST: Final = "SELECT at, type, record FROM audit_events ORDER BY event_key"


async def audit_rows(reader: Reader) -> tuple[AuditRow, ...]:
    """Every audit row, oldest first."""
    rows = await reader.scan(LIST)
    return tuple(AuditRow(at=from_us(at), type=kind, record=record) for at, kind, record in rows)
