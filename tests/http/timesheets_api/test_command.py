"""The sample API as a process of its own, as the README starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "examples.timesheets_api", "--issuer", "http://localhost:9000"]


@pytest.mark.e2e
def test_the_api_says_where_it_listens_and_asks_for_a_token(tmp_path: Path) -> None:
    data = tmp_path / "new folder" / "timesheets.sqlite"
    command = [*COMMAND, "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = re.search(
                r"http://localhost:(\d+), for tokens of http://localhost:9000", process.stdout.readline()
            )
            assert said is not None
            answer = httpx2.get(f"http://127.0.0.1:{said[1]}/timesheets", trust_env=False)
        finally:
            process.terminate()
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="OAuth"')
    assert data.exists()


@pytest.mark.e2e
def test_a_taken_port_names_its_remedy(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "--port", port, "--data", str(tmp_path / "x.sqlite")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "choose another with --port" in done.stderr
