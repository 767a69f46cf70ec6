"""What `conftest.py` promises for every test holds: this machine only, one order per seed, no silent skip."""

from __future__ import annotations

import socket
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import NetworkForbidden, is_this_machine, shuffled, suites_of

ROOT = Path(__file__).resolve().parents[2]
CASES = """
import pytest

def test_short():
    pass

@pytest.mark.faults("races")
def test_long():
    pass

@pytest.mark.broken
def test_broken():
    pass
"""


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("2001:db8::1", 9)])
def test_no_test_reaches_another_machine(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as connection, pytest.raises(NetworkForbidden):
            connection.connect(address)


def test_no_test_sends_a_datagram_or_asks_for_a_name() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as connection, pytest.raises(NetworkForbidden):
        connection.sendto(b"", ("192.0.2.1", 9))
    with pytest.raises(NetworkForbidden):
        socket.getaddrinfo("issuer.example", 443)


def test_loopback_is_this_machine_and_look_alikes_are_not() -> None:
    assert all(map(is_this_machine, ["localhost", "127.0.0.1", "127.9.9.9", "::1", "::1%lo", "0.0.0.0", ""]))
    assert not any(map(is_this_machine, ["localhost.example", "128.0.0.1", "10.0.0.1", "fe80::1", "[::1]"]))


def run_of(*words: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest under this repository's ground rules, on cases that lie elsewhere."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "-c", "pyproject.toml"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_one_seed_is_one_order_with_modules_kept_together() -> None:
    names = [f"{module}.py::test_{number}" for module in "abcd" for number in range(8)]
    items: list[Any] = [SimpleNamespace(nodeid=name, path=Path(name.partition("::")[0])) for name in names]
    first = shuffled(items, 1)
    assert first == shuffled(items[::-1], 1)
    assert first != shuffled(items, 2)
    assert sorted(item.nodeid for item in first) == names
    assert len(list(groupby(first, key=lambda item: item.path))) == 4


def test_long_trials_run_only_when_they_are_asked_for_and_then_alone(tmp_path: Path) -> None:
    cases = tmp_path / "test_cases.py"
    cases.write_text(CASES, encoding="utf-8")
    chosen = {
        (): {"test_short"},
        ("--faults=all",): {"test_long"},
        ("--faults=races",): {"test_long"},
        ("--faults=kill",): set(),
    }
    for options, tests in chosen.items():
        lines = run_of("--collect-only", *options, str(cases)).stdout.splitlines()
        assert {line.rpartition("::")[2] for line in lines if "::" in line} == tests


def test_what_lies_under_faults_runs_always_and_at_full_length_with_its_suite() -> None:
    kept = "tests/faults/kill/test_x.py"
    assert suites_of(SimpleNamespace(path=Path(kept), iter_markers=lambda name: iter(()))) == {"kill"}  # type: ignore[arg-type]


def test_a_skip_is_a_failure_where_skips_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNKEEPER_FORBID_SKIPS", "1")
    one, all_of_them = tmp_path / "test_one.py", tmp_path / "test_all.py"
    one.write_text("import pytest\ndef test_a(): pytest.skip('not here')\n", encoding="utf-8")
    all_of_them.write_text(
        "import pytest\npytest.skip('nowhere', allow_module_level=True)\n", encoding="utf-8"
    )
    done = run_of("--continue-on-collection-errors", str(one), str(all_of_them))
    assert done.returncode != 0
    assert "Skips are forbidden in this run" in done.stdout
    assert "1 failed, 1 error" in done.stdout
