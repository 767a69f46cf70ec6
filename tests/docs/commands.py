"""Commands as pages show them, held against the command line that there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from innkeeper.server.cli.main import COMMANDS, root

# Words of run.py that are not Innkeeper's.
OF_RUN_PY = {"test", "lint", "bench", "pins"}
START = re.compile(r"(?:^|\s)(?:innkeeper|python3 run\.py) (?=[a-z-])")
ENDS = {"|", "&&", "||", ";", ">", "#", "2>"}


def shown_in(text: str) -> Iterator[list[str]]:
    """The words after `innkeeper` or `python3 run.py`, for each line that has them."""
    for line in text.replace("\\\n", " ").splitlines():
        found = START.search(line)
        if found is not None and not line.lstrip().startswith("#"):
            yield words_of(line[found.end() :])


def words_of(text: str) -> list[str]:
    words = shlex.split(text, comments=True)
    end = next((index for index, word in enumerate(words) if word in ENDS), len(words))
    return words[:end]


def complaint(words: list[str]) -> str | None:
    """What is wrong with a command, or None. An upper-case word stands for whatever the reader puts there."""
    if words[0] in OF_RUN_PY or words[0].startswith("-"):
        return None
    command: click.Command = root
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return f"there is no command {' '.join(words)}"
        command, rest = found, rest[1:]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    unknown = given - known - {"--help"}
    return f"{' '.join(words)}: no such option {sorted(unknown)}" if unknown else None


def names() -> list[str]:
    return [entry.name for entry in COMMANDS]
