"""A row among the migrations that keeps a database from being served: it is a backup, or a move is under way.

Its number is beyond every migration, so that a version which knows nothing of marks takes it for a newer schema
and refuses too. Two databases that both serve what was once one would give each refresh token two successors.
"""

from typing import Final, Literal

import msgspec

NUMBER: Final = 1_000_000
Kind = Literal["backup", "arriving", "leaving", "left"]
_REFUSALS: Final[dict[Kind, str]] = {
    "backup": "this file is a backup and is not served: bring it back with `innkeeper restore`",
    "arriving": "what is being brought into this database is not complete: run the same command once more",
    "leaving": (
        "this database is being moved to {place}: run `innkeeper migrate-db` once more, or stay here with its --cancel"
    ),
    "left": "this database has moved to {place} and is not served any more: name that one in `database.url`",
}


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """`transfer` names what goes on, the same at both ends. `place` is the other end, without a password."""

    kind: Kind
    transfer: str
    place: str = ""

    @property
    def text(self) -> str:
        """As it stands in the column `checksum`."""
        return f"{self.kind} {self.transfer} {self.place}"

    @property
    def refusal(self) -> str:
        """What somebody is told who wants to serve the database."""
        return _REFUSALS[self.kind].format(place=self.place)


def parse(text: str) -> Mark:
    """From the column; MarkUnknown for one that a later version has made."""
    kind, transfer, place = (*text.split(" ", 2), "", "")[:3]
    for known in _REFUSALS:
        if kind == known:
            return Mark(kind=known, transfer=transfer, place=place)
    raise MarkUnknown(f"a newer Innkeeper has marked this database ({kind}): use that version")


def refusal_of(text: str) -> str:
    """The same for the column as it is, also where a later version has written it."""
    try:
        return parse(text).refusal
    except MarkUnknown as error:
        return str(error)


class MarkUnknown(Exception):
    """Nobody can say what the mark means."""
