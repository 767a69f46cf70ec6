"""The rules of the house as functions from a source text to complaints. Each is shown able to complain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MODULE_LINES = 400
FUNCTION_LINES = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# The rules are handed `now` and fresh values: they do no IO, read no clock and draw no randomness.
RULES_ROOMS = ("oauth", "jose", "server/model", "server/protocol", "server/identity")
FORBIDDEN_IN_RULES = {
    *("anyio", "asyncio", "concurrent", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *(
        "select",
        "selectors",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
    ),
    *("apsw", "asyncpg", "sqlite3"),
    *("click", "fastapi", "flask", "httpcore2", "httptools", "httpx", "httpx2", "jinja2", "requests", "rich"),
    *("starlette", "uvicorn", "uvloop"),
}
CLOCKS = {"now", "utcnow", "today"}

# What may be imported in one place only, and that place (a folder, or one file).
ONE_DOOR = {
    "joserfc": ("jose/",),
    "cryptography": ("jose/",),
    "argon2": ("server/identity/factors/password.py",),
    "innkeeper.server.storage.sqlite": ("server/app.py", "testing/", "server/storage/sqlite/"),
    "innkeeper.server.storage.postgresql": ("server/app.py", "testing/", "server/storage/postgresql/"),
    "innkeeper.server.storage.memory": ("server/app.py", "testing/", "server/storage/memory/"),
}

# Folders whose modules are members of one registry: they know `base`, never each other.
REGISTRIES = (
    "server/protocol/grants",
    "server/protocol/client_auth",
    "server/protocol/response_modes",
    "server/identity/factors",
    "server/identity/connections",
    "server/jobs",
)
NOT_MEMBERS = {"__init__", "base", "runner", "registry"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


# ------------------------------------------------------------ sizes and names


def too_long(path: str, source: str) -> Iterator[str]:
    """A module of more than 400 lines, a function of more than 60."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{path}: {lines} lines; {MODULE_LINES} is the limit"
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, Function)
            and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
        ):
            yield f"{path}:{node.lineno}: {node.name} has {length} lines; {FUNCTION_LINES} is the limit"


def vaguely_named(path: str) -> Iterator[str]:
    """A module or folder whose name says nothing: its content belongs to a noun."""
    for part in PurePosixPath(path).with_suffix("").parts:
        if part in VAGUE_NAMES:
            yield f"{path}: `{part}` is no noun of this project"


def folders_without_init(root: Path) -> Iterator[str]:
    """A folder with modules but without `__init__.py`: import-linter would not see it."""
    for folder in sorted({path.parent for path in root.rglob("*.py")}):
        if not (folder / "__init__.py").exists():
            yield f"{folder}: no __init__.py"


# ------------------------------------------------------------ public names


def undocumented(path: str, source: str) -> Iterator[str]:
    """A module, or a public class or function at its top, without a docstring.

    A family of small classes is explained once, at the documented class that all of them extend.
    """
    tree = ast.parse(source)
    if tree.body and ast.get_docstring(tree) is None:
        yield f"{path}: the module has no docstring"
    explained: set[str] = set()
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        bases = {base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)}
        if ast.get_docstring(node) is not None or bases & explained:
            explained.add(node.name)
        else:
            yield f"{path}:{node.lineno}: {node.name} has no docstring"


def exported_but_missing(path: str, source: str) -> Iterator[str]:
    """A name in `__all__` that the module does not hold."""
    tree = ast.parse(source)
    held = set(names_at_the_top(tree))
    if "__getattr__" in held:
        return
    for name in exported(tree):
        if name not in held:
            yield f"{path}: __all__ names {name}, which is not there"


def exported(tree: ast.Module) -> list[str]:
    """The literal content of `__all__`, or nothing."""
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        is_all = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
        if is_all and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return list(ast.literal_eval(node.value))
    return []


def names_at_the_top(tree: ast.Module) -> Iterator[str]:
    """Every name that importing the module binds."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


# ------------------------------------------------------------ imports


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_within(name: str, package: str) -> bool:
    """`a.b.c` lies within `a.b`, `a.bc` does not."""
    return name == package or name.startswith(f"{package}.")


def impure_rules(path: str, source: str) -> Iterator[str]:
    """A rules room that does IO, reads a clock or draws randomness."""
    if not path.startswith(tuple(f"{room}/" for room in RULES_ROOMS)):
        return
    for line, name in imports(source):
        if any(is_within(name, forbidden) for forbidden in FORBIDDEN_IN_RULES):
            yield f"{path}:{line}: the rules may not import {name}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and ends_in_a_date(node.value):
            yield f"{path}:{node.lineno}: the rules read no clock; take `now` as an argument"


def ends_in_a_date(node: ast.expr) -> bool:
    """`datetime`, `date`, and both behind the module's name."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in {"datetime", "date"}


def side_doors(path: str, source: str) -> Iterator[str]:
    """Cryptography, password hashing or a concrete store imported anywhere but at its one door."""
    for line, name in imports(source):
        for package, doors in ONE_DOOR.items():
            if is_within(name, package) and not path.startswith(doors):
                yield f"{path}:{line}: {package} is imported in {' or '.join(doors)} only"


def members_that_know_each_other(path: str, source: str) -> Iterator[str]:
    """A member of a registry that imports another member: their order would depend on taste."""
    folder, module = str(PurePosixPath(path).parent), PurePosixPath(path).stem
    if folder not in REGISTRIES or module in NOT_MEMBERS:
        return
    package = f"innkeeper.{folder.replace('/', '.')}"
    for line, name in imports(source):
        other = name.removeprefix(f"{package}.").partition(".")[0] if is_within(name, package) else ""
        if other and name != package and other not in {*NOT_MEMBERS, module}:
            yield f"{path}:{line}: {module} may not know {other}; what both need belongs into base"


# ------------------------------------------------------------ texts that must not leave this machine

# In pieces, so that this file does not hold what it looks for.
_PIECES = (
    *(("/wo", "rk/"), ("/ro", "ot/"), ("/tmp/pl", "an"), ("../sha", "red"), ("/sim", "ple/")),
    *(("shared/arch", "itecture"), ("shared/requ", "irements"), ("shared/st", "ack"), ("shared/att", "acks")),
)
FOREIGN = re.compile(
    "|".join(re.escape("".join(piece)) for piece in _PIECES) + r"|/home/[a-z]+/|/Users/[a-z]+/"
)


def foreign_texts(path: str, text: str) -> Iterator[str]:
    """A path of somebody's machine, or a document that is not part of the repository."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := FOREIGN.search(line):
            yield f"{path}:{number}: `{found.group()}` means nothing to a reader of the repository"


def unpinned_requirements(path: str, text: str) -> Iterator[str]:
    """A requirement file that names an address, or a requirement without exact version and hash."""
    for number, line in enumerate(text.splitlines(), 1):
        if "://" in line:
            yield f"{path}:{number}: an address; pins do not say where packages come from"
    for requirement in re.split(r"(?<!\\)\n(?=\S)", text):
        is_package = requirement.strip() and not requirement.lstrip().startswith(("#", "--"))
        if is_package and not ("==" in requirement and "--hash=sha256:" in requirement):
            yield f"{path}: `{requirement.split()[0]}` has no exact version or no hash"


def unpinned_npm_packages(path: str, packages: dict[str, dict[str, object]]) -> Iterator[str]:
    """A package of package-lock.json with an address or without integrity."""
    for name, package in packages.items():
        if "resolved" in package:
            yield f"{path}: {name} names an address"
        if name and "integrity" not in package:
            yield f"{path}: {name} has no integrity"
