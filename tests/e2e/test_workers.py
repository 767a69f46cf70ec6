"""`innkeeper serve --workers 2`: one address, several processes, and a parent that starts again what has died (F03)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.house import http, within
from tests.nodes import Node, a_site, running
from tests.postgres import Cluster, Foreign

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
DRAIN_S = 2.0
LONGEST_END_S = 12.0
# The promise is one second; a machine that is busy with other tests gets more.
RESTARTED_S = 5.0


@pytest.fixture
async def node(postgres: Cluster | Foreign, tmp_path: Path) -> AsyncGenerator[Node]:
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    node = site.node()
    node.words = ("--workers", "2")
    with running(node):
        within(10, lambda: "with 2 workers" in node.log)
        yield node
        assert node.process is not None
        children = workers_of(node)
    for process in children:
        within(LONGEST_END_S, lambda: not is_alive(process))  # noqa: B023


def workers_of(node: Node) -> set[int]:
    """The children of the parent."""
    assert node.process is not None
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(node.process.pid)], capture_output=True, text=True, check=False
    )
    return {int(word) for word in found.stdout.split()}


def is_alive(process: int) -> bool:
    try:
        return b"\nState:\tZ" not in Path(f"/proc/{process}/status").read_bytes()
    except FileNotFoundError:
        return False


def status(node: Node, path: str = "/healthz") -> int:
    """By a connection of its own."""
    with http() as client:
        return client.get(f"{node.origin}{path}", headers={"host": node.site.host}).status_code


async def test_a_worker_that_was_killed_is_started_again_and_the_other_serves_on(node: Node) -> None:
    before = workers_of(node)
    assert len(before) == 2
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    since = time.monotonic()
    within(RESTARTED_S, lambda: len(workers_of(node) - {victim}) == 2)
    print(f"started again after {time.monotonic() - since:.2f} s")
    assert {status(node) for _ in range(40)} == {200}
    within(2, lambda: f"worker {victim} ended by signal 9" in node.log)
    assert before - {victim} < workers_of(node)


@pytest.mark.parametrize("to_all", [False, True])
async def test_all_workers_say_that_they_end_and_serve_on_meanwhile(node: Node, to_all: bool) -> None:
    """Some supervisors of the system signal the parent alone, others everybody."""
    assert node.process is not None
    workers = workers_of(node)
    since = time.monotonic()
    for process in (*(workers if to_all else ()), node.process.pid):
        os.kill(process, signal.SIGTERM)
    within(1, lambda: status(node, "/readyz") == 503)
    while time.monotonic() - since < DRAIN_S - 0.6:
        assert (status(node, "/readyz"), status(node)) == (503, 200)
        time.sleep(0.1)
    assert node.process.wait(LONGEST_END_S) == 0
    assert time.monotonic() - since >= DRAIN_S - 0.1
    assert not any(is_alive(process) for process in workers)
    assert not node.is_listening()
    assert "ended" not in node.log and "Traceback" not in node.log


async def test_nobody_serves_on_whose_parent_has_gone(node: Node) -> None:
    workers = workers_of(node)
    node.kill()
    within(LONGEST_END_S, lambda: not any(is_alive(process) for process in workers))
    assert not node.is_listening()


async def test_a_second_signal_does_not_wait(node: Node) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    within(1, lambda: status(node, "/readyz") == 503)
    since = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - since < DRAIN_S - 0.5


async def test_what_cannot_start_says_why_once_and_ends(postgres: Cluster | Foreign, tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    site.folder.master_secret.write_text("1 " + "A" * 43 + "=\n", encoding="utf-8")
    node = site.node()
    node.words = ("--workers", "3")
    node.launch()
    try:
        assert node.process is not None
        assert node.process.wait(30) == 1
    finally:
        node.end()
    assert node.log.count("another master secret") == 1 and "Traceback" not in node.log


async def test_a_sqlite_file_is_served_by_one_process(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    node = site.node()
    node.words = ("--workers", "2")
    node.launch()
    try:
        assert node.process is not None
        assert node.process.wait(30) == 1
    finally:
        node.end()
    assert "--workers" in node.log and "database.url" in node.log
    assert node.log.count("\n") == 1
