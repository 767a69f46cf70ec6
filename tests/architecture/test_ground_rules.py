"""What `conftest.py` promises for every test holds: this machine only, one order per seed, no silent skip."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NetworkForbidden, is_this_machine

ROOT = Path(__file__).resolve().parents[2]
CASES = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_number(number):
    pass

@pytest.mark.faults
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


def collected(cases: Path, *options: str) -> list[str]:
    """Names of the tests that a run of this file would take, in its order."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        "--rootdir",
        str(ROOT),
    ]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), "--collect-only", "-q", *options, str(cases)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line]


def test_one_seed_is_one_order_and_long_trials_wait_for_their_option(tmp_path: Path) -> None:
    cases = tmp_path / "test_cases.py"
    cases.write_text(CASES, encoding="utf-8")
    first, again, other = (collected(cases, f"--seed={seed}") for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other) == sorted(f"test_number[{number}]" for number in range(20))
    assert collected(cases, "--faults") == ["test_long"]
    assert collected(cases, "--broken") == ["test_broken"]


@pytest.mark.parametrize(
    "body", ["def test_a(): pytest.skip('no reason')", "pytest.skip('x', allow_module_level=True)"]
)
def test_a_skip_is_a_failure_where_skips_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    cases = tmp_path / "test_cases.py"
    cases.write_text(f"import pytest\n{body}\n", encoding="utf-8")
    monkeypatch.setenv("INNKEEPER_FORBID_SKIPS", "1")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        "-q",
        str(cases),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "Skips are forbidden in this run" in done.stdout
