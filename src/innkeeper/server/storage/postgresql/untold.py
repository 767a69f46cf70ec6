"""A rotation whose app was told 503: marked as one that nobody was told of, if it has happened."""

from typing import Final

from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.storage.outcomes import Done, Missing
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.winning import Winning

# Waits for a rotation that itself waits for a standby. A change alone would not: it looks at the row as it can be seen,
# and if that has another attempt there is nothing to wait for. Held until the mark is there: who waits behind sees it.
HOLD: Final = "SELECT family_key FROM refresh_families WHERE family_key = $1 FOR UPDATE"
MARK: Final = """
UPDATE refresh_families AS a SET untold_generation = generation
WHERE a.family_key = :family_key AND a.rotated_by = :attempt AND a."overlaps" = 0 AND a.is_rotating = 1
  AND (a.untold_generation IS NULL OR a.untold_generation <> a.generation)
RETURNING generation
"""
# An earlier try may have done it.
IS_MARKED: Final = """
SELECT 1 FROM refresh_families a
WHERE a.family_key = $1 AND a.rotated_by = $2 AND a.untold_generation = a.generation
"""


async def mark_untold(
    key: HandleKey, attempt: Attempt, audit: AuditRows, transaction: Transaction
) -> Done | Missing:
    """See `interface.RefreshFamilies.untold`."""
    await transaction.row(HOLD, (key,))
    marking = Winning(MARK, {"family_key": key, "attempt": attempt})
    marking.recorded(audit)
    if await marking.row(transaction) is not None:
        return Done()
    if await transaction.row(IS_MARKED, (key, attempt)) is None:
        return Missing()
    await transaction.make_sure()
    return Done()
