"""Whose database it is: one issuer's, and one master secret's."""

from typing import Final

import msgspec

from innkeeper.server.model.instance import Instance
from innkeeper.server.storage.transfer.interface import End

_decode: Final = msgspec.json.Decoder(Instance).decode


async def owner_of(end: End) -> Instance | None:
    """None where nobody has claimed it yet."""
    for table in await end.tables():
        if table.name == "instance":
            for row in await end.rows(table, None, 1):
                record = row[table.columns.index("record")]
                return _decode(record) if isinstance(record, bytes) else None
    return None
