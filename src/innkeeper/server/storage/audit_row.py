"""An audit row as the stores keep it: the event's type and its record, under a time-ordered key."""

from datetime import datetime

import msgspec


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """`record` is the event as JSON."""

    at: datetime
    type: str
    record: bytes
