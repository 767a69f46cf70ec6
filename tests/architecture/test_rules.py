"""Every rule of the house complains about a planted offence, and only about that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import rules

Rule = Callable[[str, str], Iterator[str]]
LONG_MODULE = "x = 1\n" * (rules.MODULE_LINES + 1)
LONG_FUNCTION = "def f():\n" + "    pass\n" * rules.FUNCTION_LINES

OFFENCES: list[tuple[Rule, str, str]] = [
    (rules.too_long, "oauth/x.py", LONG_MODULE),
    (rules.too_long, "oauth/x.py", LONG_FUNCTION),
    (rules.undocumented, "oauth/x.py", "x = 1"),
    (rules.undocumented, "oauth/x.py", '"""M."""\ndef f(): pass'),
    (rules.undocumented, "oauth/x.py", '"""M."""\nclass C: pass'),
    (rules.undocumented, "oauth/x.py", '"""M."""\nclass B:\n    """B."""\nclass C(A): pass'),
    (rules.exported_but_missing, "oauth/x.py", '__all__ = ["f"]\ndef g(): pass'),
    (rules.impure_rules, "oauth/x.py", "import time"),
    (rules.impure_rules, "jose/x.py", "def f():\n    from os import urandom"),
    (rules.impure_rules, "server/protocol/grants/x.py", "from urllib.request import urlopen"),
    (rules.impure_rules, "server/model/x.py", "from datetime import datetime\nx = datetime.now()"),
    (rules.impure_rules, "server/identity/x.py", "import datetime\nx = datetime.datetime.utcnow()"),
    (rules.side_doors, "oauth/x.py", "import joserfc.jwt"),
    (rules.side_doors, "server/flows/x.py", "from cryptography.hazmat.primitives import hashes"),
    (rules.side_doors, "server/identity/x.py", "def f():\n    import argon2"),
    (rules.side_doors, "server/flows/x.py", "from innkeeper.server.storage import sqlite"),
    (rules.side_doors, "server/storage/interface.py", "import innkeeper.server.storage.memory.store"),
    (
        rules.members_that_know_each_other,
        "server/protocol/grants/device_code.py",
        "from innkeeper.server.protocol.grants.refresh_token import f",
    ),
    (
        rules.members_that_know_each_other,
        "server/protocol/grants/device_code.py",
        "from innkeeper.server.protocol.grants import refresh_token",
    ),
    (rules.foreign_texts, "README.md", "see " + "/ro" + "ot/notes"),
    (rules.foreign_texts, "README.md", "see " + "/home" + "/ada/notes"),
    (rules.unpinned_requirements, "core.txt", "a==1 --hash=sha256:0\n--index-url https" + "://x\n"),
    (rules.unpinned_requirements, "core.txt", "a==1 \\\n    --hash=sha256:0\nb==2\n"),
    (rules.unpinned_requirements, "core.txt", "a>=1 \\\n    --hash=sha256:0\n"),
]

INNOCENT: list[tuple[Rule, str, str]] = [
    (rules.too_long, "oauth/x.py", "def f():\n" + "    pass\n" * (rules.FUNCTION_LINES - 1)),
    (rules.undocumented, "oauth/__init__.py", ""),
    (rules.undocumented, "oauth/x.py", '"""M."""\ndef _f(): pass'),
    (
        rules.exported_but_missing,
        "oauth/x.py",
        '__all__ = ["f", "g", "h"]\nfrom m import f\ng = 1\ndef h(): pass',
    ),
    (rules.impure_rules, "server/flows/x.py", "import time"),
    (rules.impure_rules, "oauth/x.py", "from urllib.parse import urlsplit\nimport timeit"),
    (rules.side_doors, "jose/jwt.py", "import joserfc.jwt"),
    (rules.side_doors, "server/identity/factors/password.py", "import argon2"),
    (rules.side_doors, "server/app.py", "from innkeeper.server.storage import sqlite"),
    (
        rules.members_that_know_each_other,
        "server/protocol/grants/device_code.py",
        "from innkeeper.server.protocol.grants.base import GrantType",
    ),
    (rules.foreign_texts, "README.md", "http" + "://localhost:9000/authorize"),
    (
        rules.unpinned_requirements,
        "core.txt",
        "# a comment\na==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n    # via b\n",
    ),
]


@pytest.mark.parametrize(("rule", "path", "text"), OFFENCES)
def test_an_offence_is_named_once(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(path, text))) == 1


@pytest.mark.parametrize(("rule", "path", "text"), INNOCENT)
def test_what_is_allowed_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert list(rule(path, text)) == []


def test_a_folder_without_init_is_named(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "x.py").touch()
    (tmp_path / "__init__.py").touch()
    assert list(rules.folders_without_init(tmp_path)) == [f"{tmp_path / 'room'}: no __init__.py"]


@pytest.mark.parametrize("path", ["oauth/utils.py", "server/common/x.py", "client/manager.py"])
def test_a_vague_name_is_named(path: str) -> None:
    assert len(list(rules.vaguely_named(path))) == 1


def test_a_noun_is_left_alone() -> None:
    assert list(rules.vaguely_named("oauth/redirect_uri.py")) == []


def test_an_npm_package_with_address_or_without_integrity_is_named() -> None:
    packages: dict[str, dict[str, object]] = {
        "": {"name": "root"},
        "node_modules/a": {"integrity": "sha512-x", "resolved": "somewhere"},
        "node_modules/b": {},
        "node_modules/c": {"integrity": "sha512-x"},
    }
    assert list(rules.unpinned_npm_packages("lock", packages)) == [
        "lock: node_modules/a names an address",
        "lock: node_modules/b has no integrity",
    ]
