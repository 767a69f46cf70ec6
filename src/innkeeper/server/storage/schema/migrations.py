"""Loading the numbered migrations, and judging which of them a database still needs."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.server.storage.schema import marks

_FOLDER: Final = Path(__file__).parent
_CREATED: Final = re.compile(r"CREATE TABLE (\w+)")
_DROPPED: Final = re.compile(r"DROP TABLE (\w+)")


class SchemaRefused(Exception):
    """This binary and this database do not belong together; the message says what to do."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered file. The checksum is of its portable text, so it is the same on every backend."""

    number: int
    name: str
    text: str
    checksum: str

    def statements(self, placeholders: Mapping[str, str]) -> tuple[str, ...]:
        """Its statements, one by one, in the backend's words."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        text = "\n".join(lines)
        for name, words in placeholders.items():
            text = text.replace("{" + name + "}", words)
        return tuple(part.strip() for part in text.split(";") if part.strip())


@cache
def load() -> tuple[Migration, ...]:
    """Every migration this binary knows, in order."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("[0-9]*.sql")))


def pending(
    applied: Sequence[tuple[int, str]], known: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """What is still to be done after `applied` (number and checksum); refuses what cannot be reconciled."""
    migrations = {migration.number: migration for migration in (load() if known is None else known)}
    for number, checksum in applied:
        if number == marks.NUMBER:
            raise SchemaRefused(marks.refusal_of(checksum))
        migration = migrations.get(number)
        if migration is None:
            raise SchemaRefused(
                f"the database has schema {number}, this version knows schemas up to {max(migrations)}: "
                "it was used by a newer Innkeeper; run that version, or restore a backup made before"
            )
        if migration.checksum != checksum:
            raise SchemaRefused(
                f"migration {number} of the database is not this version's: a released migration was edited"
            )
    done = {number for number, _ in applied}
    return tuple(migration for number, migration in sorted(migrations.items()) if number not in done)


def done(applied: Sequence[tuple[int, str]]) -> tuple[Migration, ...]:
    """The migrations that `applied` names; refuses what this version does not know."""
    pending(applied)
    numbers = {number for number, _ in applied}
    return tuple(migration for migration in load() if migration.number in numbers)


def tables_of(known: Sequence[Migration]) -> tuple[str, ...]:
    """The tables that are there after these migrations, in the order of their making."""
    names: dict[str, None] = {}
    for migration in known:
        for statement in migration.statements({}):
            if made := _CREATED.match(statement):
                names[made[1]] = None
            elif dropped := _DROPPED.match(statement):
                names.pop(dropped[1], None)
    return tuple(names)


def _read(path: Path) -> Migration:
    text = path.read_text("utf-8")
    number, _, name = path.stem.partition("_")
    # Quotes about a name change nothing but which engines take it.
    checksum = sha256(text.replace('"', "").encode()).hex()
    return Migration(number=int(number), name=name, text=text, checksum=checksum)
