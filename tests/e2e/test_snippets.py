"""Every snippet that `innkeeper app create` prints works as it is printed, against a running server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.npm_packages import fetched
from tests.e2e.pasted import Pasted, a_free_port, paste, running_app, sign_in
from tests.e2e.programs import Running, a_dev_server, innkeeper

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("snippets")]
API = "https://api.exampleco.test/timesheets"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with a_dev_server(tmp_path_factory.mktemp("snippets") / "data") as running:
        yield running


METHODS = ("client_secret_basic", "client_secret_post")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("title", "server"),
    [
        ("FastAPI", ["-m", "uvicorn", "main:app", "--port"]),
        ("Flask", ["-m", "flask", "--app", "main", "run", "--port"]),
    ],
)
def test_a_pasted_web_app_signs_erin_in_and_shows_her_name(
    title: str, server: list[str], method: str, dev: Running, tmp_path: Path
) -> None:
    port = a_free_port()
    app_id = f"{title.lower()}-{method}"
    words = ("--type", "regular_web", "--auth-method", method)
    pasted = created(dev, app_id, *words, "--callback", callback(port, "/auth/callback"))
    paste(tmp_path / title, pasted, title)
    with running_app([sys.executable, *server, str(port)], tmp_path / title, port):
        assert "Hello Erin Ellis!" in sign_in(
            f"http://localhost:{port}/", "erin", dev.person("erin")["password"]
        )


@pytest.mark.parametrize("method", METHODS)
def test_the_pasted_curl_gets_a_machine_its_token(method: str, dev: Running, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (on Debian: apt-get install curl)")
    words = ("--type", "m2m", "--auth-method", method, "--api", API, "--scope", "batch:upload")
    pasted = created(dev, f"night-{method}", *words)
    (tmp_path / ".env").write_text(pasted.environment, encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", pasted.snippet("A machine").replace("curl ", "curl -sS --noproxy '*' ", 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["scope"] == "batch:upload", done.stderr


def test_the_pasted_script_is_bundled_as_it_stands_and_asks_this_issuer(
    dev: Running, tmp_path: Path, npm_path: Path, node_path: Path
) -> None:
    port = a_free_port()
    pasted = created(dev, "spa", "--type", "spa", "--callback", callback(port, "/callback.html"))
    modules = fetched(npm_path)
    (tmp_path / "main.js").write_text(pasted.snippet("A browser"), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "run.js").write_text(SIGN_IN_UNDER_NODE % f"http://localhost:{port}/", encoding="utf-8")
    bundle = [
        str(modules / ".bin" / "esbuild"),
        "run.js",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--outfile=out.mjs",
    ]
    subprocess.run([*bundle, "--log-level=error"], cwd=tmp_path, check=True)
    done = subprocess.run([node_path, "out.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{dev.issuer}/authorize?client_id=spa&")
    assert "code_challenge_method=S256" in done.stdout


def test_a_native_app_is_told_its_three_values_and_no_secret(dev: Running) -> None:
    pasted = created(dev, "phone", "--type", "native")
    text = pasted.snippet("A native app")
    for value in (dev.issuer, "phone", "http://127.0.0.1/callback"):
        assert value in text
    assert "CLIENT_SECRET" not in pasted.variables()


def created(dev: Running, name: str, *words: str) -> Pasted:
    done = innkeeper("app", "create", name, *words, data=dev.data)
    assert done.returncode == 0, done.stderr
    return Pasted(done.stdout)


def callback(port: int, path: str) -> str:
    return f"http://localhost:{port}{path}"


# Just enough of a browser for the library to write the address that it would go to.
SIGN_IN_UNDER_NODE = """
const kept = new Map();
const storage = {
  getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value),
  removeItem: (name) => kept.delete(name), key: (index) => [...kept.keys()][index], get length() { return kept.size; },
};
const goes = (url) => { console.log(String(url)); process.exit(0); };
const location = Object.assign(new URL("%s"), { assign: goes, replace: goes });
const events = { addEventListener() {}, removeEventListener() {} };
Object.assign(globalThis, { sessionStorage: storage, localStorage: storage, location });
globalThis.window = { ...events, location, localStorage: storage, sessionStorage: storage };
globalThis.window.self = globalThis.window.top = globalThis.window;
const { signIn } = await import("./main.js");
await signIn();
"""
