"""Every fenced block says what it is, and each kind is held against what there is."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import asyncpg
import msgspec
import pytest

from innkeeper.server import config
from tests.docs import commands
from tests.docs.pages import DOCS, ROOT, Block, blocks_of, codes_of, named, pages
from tests.docs.test_walks import WALKS
from tests.postgres import Cluster, Foreign

BLOCKS = [block for page in pages() for block in blocks_of(page)]
LANGUAGES = {"sh", "output", "python", "json", "toml", "env", "ini", "nginx", "sql", "text", "tree"}


def of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.name)


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert [f"{block.name} {block.language}" for block in BLOCKS if block.language not in LANGUAGES] == []


@of("sh")
def test_what_is_to_be_pasted_is_shell(block: Block) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@of("sh", "text")
def test_every_command_in_a_block_exists_with_its_options(block: Block) -> None:
    assert [wrong for words in commands.shown_in(block.text) if (wrong := commands.complaint(words))] == []


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_command_in_the_text_exists_with_its_options(page: Path) -> None:
    shown = [words for code in codes_of(page) for words in commands.shown_in(code)]
    assert [wrong for words in shown if (wrong := commands.complaint(words))] == []


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert commands.complaint(["app", "invent"]) is not None
    assert commands.complaint(["app", "create", "x", "--no-such-option"]) is not None
    assert commands.complaint(["app", "create", "x", "--type", "spa"]) is None


@of("output")
def test_what_a_page_shows_as_output_comes_from_a_walk_that_is_run(block: Block) -> None:
    assert named(block.page) in WALKS
    before = [one for one in blocks_of(block.page) if one.line < block.line][-1]
    assert before.language == "sh"


@of("sh")
def test_curl_is_shown_only_where_it_is_run(block: Block) -> None:
    if re.search(r"\bcurl\b.*localhost", block.text):
        assert named(block.page) in WALKS


@of("python")
def test_python_is_python(block: Block) -> None:
    ast.parse(block.text)


@of("json")
def test_json_is_json(block: Block) -> None:
    msgspec.json.decode(block.text)


@of("toml")
def test_a_settings_file_is_accepted(block: Block) -> None:
    document = tomllib.loads(block.text)
    config.parse({"issuer": "https://id.example.com", **document})


@of("env")
def test_lines_for_env_have_names_and_values(block: Block) -> None:
    assert all(re.fullmatch(r"[A-Z_]+=\S+", line) for line in block.text.splitlines())


@of("ini")
def test_a_unit_file_has_sections(block: Block) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block.text)
    assert parser.sections()


@of("nginx")
def test_a_proxy_configuration_closes_what_it_opens(block: Block) -> None:
    assert block.text.count("{") == block.text.count("}") > 0
    statements = [line.strip() for line in block.text.splitlines() if line.strip()]
    assert [line for line in statements if line[-1] not in "{};" and not line.startswith("#")] == []


@pytest.mark.anyio
@of("sql")
async def test_sql_is_understood_by_postgresql(block: Block, postgres: Cluster | Foreign) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    try:
        for statement in filter(str.strip, block.text.split(";")):
            await connection.prepare(statement)
    finally:
        await connection.close()


@of("text")
def test_the_files_in_a_diagram_exist(block: Block) -> None:
    for path in re.findall(r"\b(?:web|flows|protocol|storage)/[\w/]+\.py", block.text):
        assert (ROOT / "src" / "innkeeper" / "server" / path).exists(), path


def test_the_tree_of_the_house_is_the_house() -> None:
    (tree,) = (block for block in blocks_of(DOCS / "layout.md") if block.language == "tree")
    shown = tree_paths(tree.text)
    assert [path for path in shown if not (ROOT / path).exists()] == []
    source = ROOT / "src" / "innkeeper"
    real = {folder.parent.relative_to(ROOT).as_posix() for folder in source.glob("*/__init__.py")}
    real |= {folder.parent.relative_to(ROOT).as_posix() for folder in source.glob("server/*/__init__.py")}
    assert real <= set(shown)


def tree_paths(text: str) -> list[str]:
    """Two spaces are one step into a folder."""
    above: list[str] = []
    paths = []
    for line in text.splitlines():
        name = line.split()[0].rstrip("/")
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name]
        paths.append("/".join(above))
    return paths


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_example_that_is_started_can_be_started(page: Path) -> None:
    for module in re.findall(r"-m examples\.(\w+)", page.read_text(encoding="utf-8")):
        at = ROOT / "examples"
        assert (at / module / "__main__.py").exists() or (at / f"{module}.py").exists()
