"""What there is stands in the documentation, and the documentation names nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from innkeeper.oauth.errors import OAuthError
from innkeeper.server.cli.main import root
from innkeeper.server.cli.settings_file import explained
from innkeeper.server.model.events import Event
from innkeeper.server.protocol.authorize import CHECKS, PROMPTS
from innkeeper.server.protocol.client_auth import CLIENT_AUTH_METHODS
from innkeeper.server.protocol.effective_scope import OIDC_SCOPES
from innkeeper.server.protocol.grants import GRANTS
from innkeeper.server.protocol.tokens import user_claims
from innkeeper.server.web.pages.locale import LOCALES
from innkeeper.server.web.routes import ROUTES
from tests.docs.pages import DOCS, ROOT, codes_of, named, pages, prose_of, table_of

SOURCE = ROOT / "src" / "innkeeper"


def first_codes(page: Path, title: str) -> list[str]:
    """The first code of each row of a table."""
    return [re.findall(r"`([^`]+)`", row[0])[0] for row in table_of(page, title)]


def test_every_endpoint_is_listed_with_its_methods() -> None:
    shown = {
        (method, path): True
        for row in table_of(DOCS / "index.md", "path")
        for path in re.findall(r"`([^`]+)`", row[0])
        for method in row[1].split(", ")
    }
    real = [key for key in ROUTES if key[0] != "OPTIONS" and not key[1].startswith("/static/")]
    assert sorted(shown) == sorted(real)


def test_every_event_is_listed_with_its_own_fields() -> None:
    common = set(Event.__struct_fields__)
    real = {
        kind.type: sorted(set(kind.__struct_fields__) - common)
        for kind in Event.__subclasses__()
        if kind.type
    }
    shown = {
        row[0].strip("`"): sorted(re.findall(r"`(\w+)`", row[2]))
        for row in table_of(DOCS / "events.md", "type")
        if len(row) == 4
    }
    assert shown == real
    assert common - {"at"} == set(first_codes(DOCS / "events.md", "field"))


def test_every_setting_is_explained_to_operators() -> None:
    assert first_codes(DOCS / "operate.md", "setting") == [setting.path for setting in explained()]


def test_every_command_has_its_heading() -> None:
    headings = {line.strip("# `") for line in prose_of(DOCS / "cli.md").splitlines() if line.startswith("##")}
    assert [command for command in commands_below(root, "innkeeper") if command not in headings] == []


def commands_below(group: click.Group, path: str) -> Iterator[str]:
    """The full name of every command that is no group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_below(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_error_code_is_listed_with_its_status() -> None:
    shown = {(row[0].strip("`"), int(row[1])) for row in table_of(DOCS / "errors.md", "code")}
    assert shown == {(error.code, error.status) for error in OAuthError.__subclasses__()}


def test_every_slug_of_an_error_page_is_listed_with_a_remedy() -> None:
    used = {slug for path in (SOURCE / "server").rglob("*.py") for slug in slugs_in(path)}
    assert {"unknown_client", "form_refused", "request_too_large"} <= used
    shown = {row[0].strip("`"): row[3] for row in table_of(DOCS / "errors.md", "slug")}
    assert used <= set(shown)
    assert set(shown) <= used | {error.code for error in OAuthError.__subclasses__()}
    assert all(shown.values())


def slugs_in(path: Path) -> Iterator[str]:
    """What becomes the `error` of a page: of an `UntrustedRequest`, or of a `Failure` made by hand."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            given: list[ast.expr] = []
            if call.func.id in ("UntrustedRequest", "UntrustedSignOut"):
                given = call.args[:1]
            if call.func.id == "Failure":
                given = [keyword.value for keyword in call.keywords if keyword.arg == "error"]
            for value in given:
                named_value = constants.get(value.id) if isinstance(value, ast.Name) else value
                if isinstance(named_value, ast.Constant):
                    yield str(named_value.value)


def test_every_way_to_get_a_token_and_to_authenticate_is_described() -> None:
    apps = set(codes_of(DOCS / "apps.md"))
    assert {grant.name for grant in GRANTS} <= apps
    assert first_codes(DOCS / "apps.md", "method") == [method.name for method in CLIENT_AUTH_METHODS]


def test_every_scope_and_its_claims_are_listed() -> None:
    rows = table_of(DOCS / "tokens.md", "scope")
    assert [row[0].strip("`") for row in rows] == list(OIDC_SCOPES)
    assert [claim for row in rows for claim in re.findall(r"`(\w+)`", row[1])] == list(user_claims.NAMES)


def test_every_parameter_that_the_checks_read_is_described() -> None:
    described = " ".join(row[0] for row in table_of(DOCS / "sign-in.md", "parameter"))
    source = (SOURCE / "server" / "protocol" / "authorize.py").read_text(encoding="utf-8")
    read = set(re.findall(r'parameters\.(?:get|require)\("(\w+)"\)', source))
    refused = {"request", "request_uri", "registration"}
    assert CHECKS and sorted(name for name in read - refused if f"`{name}`" not in described) == []
    page = (DOCS / "sign-in.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for word in (*PROMPTS, *LOCALES))


def test_every_test_that_is_named_as_evidence_exists() -> None:
    for page in pages():
        for code in codes_of(page):
            if re.match(r"(src|tests|bench|examples)/", code):
                assert list(ROOT.glob(code.partition("::")[0])), f"{named(page)}: {code}"


def test_every_place_that_the_house_names_exists() -> None:
    for row in table_of(DOCS / "layout.md", "add"):
        for path in re.findall(r"`((?:server|tests)/[^`]*)`", f"{row[1]} {row[2]}"):
            # `<name>` is the newcomer's; its folder has to be there.
            there = path.partition("<")[0]
            assert (SOURCE / there).exists() or (ROOT / there).exists(), path


@pytest.mark.parametrize(
    "word", ["GRANTS", "CLIENT_AUTH_METHODS", "RESPONSE_MODES", "CHECKS", "JOBS", "COMMANDS"]
)
def test_every_registry_that_the_house_names_is_where_it_says(word: str) -> None:
    row = next(row for row in table_of(DOCS / "layout.md", "add") if f"`{word}`" in row[2])
    place = re.findall(r"`(server/[^`]*\.py)`", f"{row[2]} {row[1]}")
    files = [SOURCE / path for path in place if "<" not in path]
    files += [
        SOURCE / path.partition("<")[0] / "__init__.py" for path in re.findall(r"`(server/[^`]*)`", row[1])
    ]
    held = [path.read_text(encoding="utf-8") for path in files if path.exists()]
    assert any(re.search(rf"^{word}\b", text, re.MULTILINE) for text in held)
