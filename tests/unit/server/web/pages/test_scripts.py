"""The two scripts that we send: run in Node.js against a window that only remembers."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from innkeeper.server.web.pages.scripts import FORM_POST, WEB_MESSAGE, source_of

STAND_IN = """
const given = JSON.parse(process.argv[1]);
const told = [];
const another = name => ({ postMessage: (data, origin) => told.push([name, data, origin]) });
const fields = given.fields.map(([name, value]) => ({
  getAttribute: wanted => ({ "data-name": name, value })[wanted] }));
const box = { getAttribute: wanted => ({ "data-origin": given.origin })[wanted],
  querySelectorAll: tag => (tag === "data" ? fields : []) };
const window = {};
window.parent = given.framed ? another("parent") : window;
window.opener = given.opened ? another("opener") : null;
const document = { getElementById: id => (id === "web-message" ? box : null),
  forms: [{ submit: () => told.push(["submit"]) }] };
new Function("window", "document", given.script)(window, document);
process.stdout.write(JSON.stringify(told));
"""
ORIGIN = "https://app.example"
FIELDS = [["code", "c"], ["state", "</data>\"'"]]


def told(node: Path, script: str, **given: Any) -> list[Any]:
    """What other windows were told."""
    sent = {"script": script, "origin": ORIGIN, "fields": FIELDS, "framed": False, "opened": False} | given
    done = subprocess.run(
        [node, "-e", STAND_IN, "--", json.dumps(sent)], capture_output=True, text=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("where", "receiver"),
    [
        ({"framed": True}, "parent"),
        ({"opened": True}, "opener"),
        ({"framed": True, "opened": True}, "parent"),
    ],
)
def test_one_window_is_told_and_only_if_it_shows_the_origin(
    node_path: Path, where: dict[str, bool], receiver: str
) -> None:
    data = {"type": "authorization_response", "response": {"code": "c", "state": "</data>\"'"}}
    assert told(node_path, WEB_MESSAGE, **where) == [[receiver, data, ORIGIN]]


def test_a_window_that_nobody_opened_tells_nobody(node_path: Path) -> None:
    assert told(node_path, WEB_MESSAGE) == []


def test_a_form_is_submitted_once(node_path: Path) -> None:
    assert told(node_path, FORM_POST) == [["submit"]]


@pytest.mark.parametrize("script", [FORM_POST, WEB_MESSAGE])
def test_a_policy_names_a_script_by_its_digest(script: str) -> None:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert source_of(script) == f"'sha256-{digest}'"
    assert "</" not in script and "<!--" not in script
