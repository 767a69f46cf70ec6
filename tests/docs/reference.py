"""docs/cli.md, made from the commands themselves: `python -m tests.docs.reference` writes it anew."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from innkeeper.server.cli.main import root
from tests.docs.pages import DOCS

PAGE = DOCS / "cli.md"
HEAD = """# Commands

`innkeeper --help` and `innkeeper COMMAND --help` say the same as this page, which is made from them. From a clone,
`python3 run.py COMMAND` is `innkeeper COMMAND`.

A command finds its data folder by `--data`, by `INNKEEPER_DATA` or `INNKEEPER_CONFIG`, by `innkeeper.toml` in the
current folder, or takes the nearest `.innkeeper` upwards, where `innkeeper dev` keeps its own. While that one does not
run, a command goes to the folder of the last `innkeeper dev` that does, and says so. Commands work beside a running
server, which follows them within a second.

What was asked for goes to stdout, everything else to stderr. Exit status: 0 done, 1 refused with one line that says
why and what to do, 2 a wrong command line, 130 Ctrl-C. No password and no secret is ever an argument.
"""


def text() -> str:
    """The whole page."""
    return HEAD + "".join(part for command, path in commands() for part in section(command, path))


def commands() -> Iterator[tuple[click.Command, str]]:
    """Every command that does something, with its words."""
    context = click.Context(root, info_name="innkeeper")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield inner, f"innkeeper {name} {inner.name}"
        else:
            yield command, f"innkeeper {name}"


def section(command: click.Command, path: str) -> Iterator[str]:
    """Usage, what it does, its options."""
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"\n## {path}\n\n```text\n{path} {usage}\n```\n\n{inspect.cleandoc(command.help or '')}\n"
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if options:
        yield "\n| option | meaning |\n| --- | --- |\n"
        yield from (row(option, context) for option in options)


def row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    name, meaning = (cell.replace("|", ", ") for cell in record)
    return f"| `{name}` | {meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
