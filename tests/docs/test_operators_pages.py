"""The operator's pages say what the settings and commands are today."""

from __future__ import annotations

import tomllib

import pytest

from innkeeper.server.cli import settings_file
from innkeeper.server.cli.main import COMMANDS, root
from innkeeper.server.config import parse
from tests.docs import reference
from tests.docs.pages import DOCS, blocks_of, table_of
from tests.faults.failover import pair

OPERATE = DOCS / "operate.md"


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.text(), "run `python -m tests.docs.reference`"


def test_every_command_has_its_line_in_the_help_and_says_the_same_itself() -> None:
    import click

    context = click.Context(root)
    for entry in COMMANDS:
        command = root.get_command(context, entry.name)
        assert command is not None
        assert command.get_short_help_str(200) == entry.summary


def test_the_table_of_settings_is_complete_and_shows_the_real_defaults() -> None:
    rows = {row[0].strip("`"): row[1:] for row in table_of(OPERATE, "setting")}
    real = {
        setting.path: [
            f"`{settings_file.toml(setting.default)}`" if setting.default is not None else "",
            setting.text,
        ]
        for setting in settings_file.explained()
    }
    assert rows == real


def test_the_file_that_init_writes_is_valid_with_every_line_uncommented() -> None:
    lines = settings_file.text("https://id.example.com").splitlines()
    uncommented = [line.removeprefix("# ") if " = " in line else line for line in lines]
    settings = parse(tomllib.loads("\n".join(uncommented[2:])))
    assert settings.issuer == "https://id.example.com"
    assert settings.listen.certificate == "/etc/innkeeper/fullchain.pem"
    assert settings.lifetimes.authorization_code_s == 60


def test_the_file_that_init_writes_sets_the_issuer_alone() -> None:
    assert set(tomllib.loads(settings_file.text("https://id.example.com"))) >= {"issuer"}
    document = tomllib.loads(settings_file.text("https://id.example.com"))
    assert [value for value in document.values() if value] == ["https://id.example.com"]


@pytest.mark.parametrize(
    "word", ["proxy_pass http://127.0.0.1:9000", "ExecStart=", "/readyz", "master.secret"]
)
def test_the_examples_are_there(word: str) -> None:
    assert word in "\n".join(block.text for block in blocks_of(OPERATE)) + OPERATE.read_text("utf-8")


@pytest.mark.parametrize("names", ["", "*"])
def test_a_failover_by_the_page_is_the_one_that_the_trials_do(names: str) -> None:
    page = [line.strip() for block in blocks_of(OPERATE) for line in block.text.splitlines()]
    for statement in (*pair.waiting_for(names), pair.PROMOTE):
        assert f"{statement};" in page


def test_settings_in_the_examples_exist() -> None:
    for block in blocks_of(OPERATE):
        if block.language == "toml":
            parse({"issuer": "https://id.example.com"} | tomllib.loads(block.text))
