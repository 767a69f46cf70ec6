"""The commands as an operator types them: init, serve, and what they say when something is wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.programs import Running, a_dev_server, innkeeper, started, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("cli")]
API = "https://api.exampleco.test/timesheets"
PROMISED_RESIDENT_KIB = 70 * 1024


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with a_dev_server(tmp_path_factory.mktemp("cli") / "data") as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# ------------------------------------------------------------ init and serve


def test_init_makes_a_private_folder_with_every_setting_and_a_link(data: Path) -> None:
    done = innkeeper("init", "--issuer", "https://id.example.test", data=data)
    assert done.returncode == 0, done.stderr
    for name in ("innkeeper.toml", "innkeeper.sqlite3", "master.secret"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
    settings = (data / "innkeeper.toml").read_text(encoding="utf-8")
    assert tomllib.loads(settings)["issuer"] == "https://id.example.test"
    assert "# port = 9000" in settings
    assert re.search(r"https://id\.example\.test/setup\?link=ik_ln_[\w-]{54}", done.stdout)
    keys = json.loads(innkeeper("key", "list", "--json", data=data).stdout)
    assert sorted((key["alg"], key["state"]) for key in keys) == [
        ("ES256", "next"),
        ("ES256", "signing"),
        ("RS256", "next"),
        ("RS256", "signing"),
    ]


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        ("http://id.example.test", "use https"),
        ("https://id.example.test/path", "path"),
        ("https://id.example.test?x=1", "nothing else"),
        ("ftp://id.example.test", "use https"),
    ],
)
def test_init_refuses_an_issuer_that_is_not_https_or_not_bare(issuer: str, reason: str, data: Path) -> None:
    done = innkeeper("init", "--issuer", issuer, data=data)
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert not data.exists()


def test_init_never_touches_a_folder_that_it_has_made(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.suffix in (".toml", ".secret")}
    done = innkeeper("init", "--issuer", "https://other.example.test", data=data)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert {name: (data / name).read_bytes() for name in before} == before


def test_serve_answers_in_little_memory_and_ends_gracefully(data: Path) -> None:
    port = a_free_port()
    assert innkeeper("init", "--issuer", f"http://localhost:{port}", data=data).returncode == 0
    times, cpu, resident = [], [], 0
    for _ in range(3):
        began = time.monotonic()
        with a_production_server(data, port) as running:
            times.append(time.monotonic() - began)
            cpu.append(running.cpu_seconds())
            resident = resident_kib(running)
            assert running.stop(signal.SIGTERM) == 0
            assert "Traceback" not in running.err
    print(
        f"innkeeper serve: first answer after {min(times):.2f} s, {min(cpu):.2f} s of one core, {resident} KiB"
    )
    assert resident < PROMISED_RESIDENT_KIB


def test_the_first_administrator_signs_up_by_the_link_and_only_once(data: Path) -> None:
    port = a_free_port()
    done = innkeeper("init", "--issuer", f"http://localhost:{port}", data=data)
    link = next(word for word in done.stdout.split() if "/setup?link=" in word)
    with a_production_server(data, port):
        page = httpx2.get(link, trust_env=False)
        assert page.status_code == 200
        assert 'id="setup-submit"' in page.text


def test_serve_refuses_to_send_passwords_in_clear(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    done = innkeeper("serve", "--host", "0.0.0.0", "--port", str(a_free_port()), data=data)
    assert done.returncode == 1
    assert "in clear" in done.stderr
    assert "trusted_proxies" in done.stderr


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("colour = 1\n", "colour"),
        ("[listen]\nport = 'x'\n", "port"),
        ("[listen]\ntrusted_proxies = ['nowhere']\n", "trusted_proxies"),
        ("[listen]\ncertificate = '/nowhere.pem'\n", "go together"),
        ("[listen]\ncertificate = '/no.pem'\nprivate_key = '/no.key'\n", "/no.pem"),
        ("dev = true\n", "innkeeper dev"),
        ("[listen\n", "innkeeper.toml"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, reason: str, data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    settings = f'issuer = "https://id.example.test"\n{setting}'
    (data / "innkeeper.toml").write_text(settings, encoding="utf-8")
    done = innkeeper("serve", data=data)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_another_issuer_in_the_settings_is_refused(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    done = innkeeper("app", "list", data=data, INNKEEPER_ISSUER="https://other.example.test")
    assert done.returncode == 1
    assert "belongs to the issuer https://id.example.test" in done.stderr


def test_the_master_secret_may_come_from_the_environment(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    secret = (data / "master.secret").read_text(encoding="ascii").split()[-1]
    (data / "master.secret").unlink()
    assert innkeeper("key", "list", data=data).returncode == 1
    assert innkeeper("key", "rotate", data=data, INNKEEPER_MASTER_SECRET=secret).returncode == 0


def test_serve_refuses_a_master_secret_that_others_can_read(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    (data / "master.secret").chmod(0o644)
    done = innkeeper("serve", data=data)
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


def test_serve_of_a_dev_folder_points_to_dev(dev: Running) -> None:
    done = innkeeper("serve", data=dev.data)
    assert done.returncode == 1
    assert "innkeeper dev" in done.stderr


# ------------------------------------------------------------ apps, apis, users, roles


def test_without_a_data_folder_a_command_says_how_to_get_one(tmp_path: Path) -> None:
    done = innkeeper("app", "list", cwd=tmp_path)
    assert done.returncode == 1
    assert "innkeeper dev" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_command_line_is_status_2(dev: Running) -> None:
    for words in (["app", "create", "x", "--type", "mainframe"], ["nothing"], ["role", "create"]):
        done = innkeeper(*words, data=dev.data if words != ["nothing"] else None)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


def test_an_api_a_role_a_person_and_an_app_live_and_end(dev: Running) -> None:
    api = "https://api.exampleco.test/payroll"
    words = "read:payroll=See what you earn"
    assert_done(
        "api", "create", api, "--name", "Payroll", "--scope", words, "--scope", "pay", "--rbac", dev=dev
    )
    assert_done("api", "change", api, "--remove-scope", "pay", "--token-lifetime", "5m", dev=dev)
    shown = json.loads(assert_done("api", "show", api, "--json", dev=dev))
    assert shown["scopes"] == [{"value": "read:payroll", "description": "See what you earn"}]
    assert shown["access_token_lifetime_s"] == 300
    assert_done("role", "create", "Clerk", "--api", api, "--scope", "read:payroll", dev=dev)
    assert_done(
        "user", "create", "nina", "--password-stdin", "--role", "Clerk", dev=dev, stdin="turnip velvet 913\n"
    )
    assert json.loads(assert_done("role", "show", "Clerk", "--json", dev=dev))["users"] == ["nina"]
    assert "role Clerk" in refusal("api", "delete", api, dev=dev)
    assert "nina" in refusal("role", "delete", "Clerk", dev=dev)
    created = assert_done(
        "app", "create", "pay-cron", "--type", "m2m", "--api", api, "--scope", "read:payroll", dev=dev
    )
    assert f"AUDIENCE={api}" in created
    assert_done("user", "delete", "nina", dev=dev)
    assert_done("role", "delete", "Clerk", dev=dev)
    assert "app pay-cron" in refusal("api", "delete", api, dev=dev)
    assert_done("app", "delete", "pay-cron", dev=dev)
    assert_done("api", "delete", api, dev=dev)


def test_a_generated_password_is_shown_once_and_alone_on_stdout(dev: Running) -> None:
    shown = assert_done("user", "create", "gene", "--generate", dev=dev)
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}\n", shown)


def test_a_command_never_waits_for_a_password_that_nobody_can_type(dev: Running) -> None:
    assert "--password-stdin" in refusal("user", "create", "otto", dev=dev)


def test_no_option_takes_a_password_or_a_secret() -> None:
    from innkeeper.server.cli.main import COMMANDS, root

    assert root is not None
    for entry in COMMANDS:
        done = innkeeper(entry.name, "--help")
        assert done.returncode == 0
        assert not re.search(r"--(password|secret)[ =]", done.stdout), entry.name


def test_lists_are_plain_text_for_pipes_and_json_for_programs(dev: Running) -> None:
    plain = assert_done("app", "list", dev=dev)
    assert "\x1b" not in plain
    assert "\u2500" not in plain
    for noun in ("app", "api", "user", "role", "key"):
        assert isinstance(json.loads(assert_done(noun, "list", "--json", dev=dev)), list)


def test_every_setting_of_an_app_and_an_api_is_typed_shown_and_taken_away(dev: Running) -> None:
    api = "https://api.exampleco.test/orders"
    bye = "http://localhost:8000/bye"
    assert_done("api", "create", api, "--token-format", "opaque", "--permissions-claim", dev=dev)
    assert_done("api", "change", api, "--token-profile", "auth0", dev=dev)
    shown = json.loads(assert_done("api", "show", api, "--json", dev=dev))
    assert (shown["token_format"], shown["token_profile"], shown["permissions_claim"]) == (
        "opaque",
        "auth0",
        True,
    )
    words = ["--logout-callback", bye, "--guards", api, "--refresh-api", api, "--userinfo-alg", "ES256"]
    assert_done("app", "create", "orders", "--type", "regular_web", *words, dev=dev)
    shown = json.loads(assert_done("app", "show", "orders", "--json", dev=dev))
    assert (shown["post_logout_redirect_uris"], shown["guards"], shown["refresh"]["apis"]) == (
        [bye],
        [api],
        [api],
    )
    assert "app orders" in refusal("api", "delete", api, dev=dev)
    assert_done(
        "app", "change", "orders", "--guards", "", "--refresh-api", "", "--userinfo-alg", "none", dev=dev
    )
    shown = json.loads(assert_done("app", "show", "orders", "--json", dev=dev))
    assert (shown["guards"], shown["refresh"]["apis"], shown["userinfo_signed_response_alg"]) == (
        [],
        [],
        None,
    )
    assert shown["post_logout_redirect_uris"] == [bye]
    assert "sector" in refusal("app", "change", "orders", "--sector", "A.B", dev=dev)
    assert_done("api", "delete", api, dev=dev)
    assert_done("app", "delete", "orders", dev=dev)


def test_an_app_moves_from_a_secret_to_a_key_of_its_own(dev: Running, tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert_done("app", "create", "mover", "--type", "regular_web", dev=dev)
    method = ["--auth-method", "private_key_jwt"]
    assert "--key FILE" in refusal("app", "change", "mover", *method, dev=dev)
    assert "private key" in refusal("app", "change", "mover", "--key", str(private), dev=dev)
    assert_done("app", "change", "mover", "--key", str(public), "--key-expires", "30d", dev=dev)
    shown = json.loads(assert_done("app", "show", "mover", "--json", dev=dev))
    assert len(shown["secrets"]) == len(shown["keys"]) == 1
    assert_done("app", "change", "mover", *method, dev=dev)
    shown = json.loads(assert_done("app", "show", "mover", "--json", dev=dev))
    assert shown["secrets"] == []
    assert "needs a public key" in refusal(
        "app", "change", "mover", "--remove-key", shown["keys"][0]["kid"], dev=dev
    )
    assert_done("app", "delete", "mover", dev=dev)


def test_lint_names_what_is_risky_and_may_fail_a_build(dev: Running) -> None:
    found = json.loads(assert_done("lint", "--json", dev=dev))
    assert {one["check"] for one in found} == {"loopback_callback"}
    assert_done("lint", "--fail-on", "warning", dev=dev)
    assert_done("app", "change", "timesheets-web", "--no-pkce", dev=dev)
    failed = innkeeper("lint", "--fail-on", "warning", data=dev.data)
    assert failed.returncode == 1
    assert failed.stdout.splitlines()[1].split()[:3] == ["critical", "timesheets-web", "no_pkce"]
    assert_done("app", "change", "timesheets-web", "--pkce", dev=dev)


def test_nothing_keeps_access_for_somebody_who_never_signed_in(dev: Running) -> None:
    assert json.loads(assert_done("grant", "list", "mona", "--json", dev=dev)) == []
    assert "No app keeps access" in assert_done("grant", "list", "mona", dev=dev)
    assert "grant list WHO" in refusal("grant", "revoke", "nothing", dev=dev)


# ------------------------------------------------------------ token


def test_token_explains_every_claim_and_shows_the_curl(dev: Running) -> None:
    shown = assert_done("token", "timesheets-cron", "--scope", "batch:upload", dev=dev)
    for line in ("which API may accept it", "what it allows", "which key of the JWKS verifies it"):
        assert line in shown
    assert f"curl {dev.issuer}/oauth/token" in shown
    raw = assert_done("token", "timesheets-cron", "--raw", dev=dev)
    assert raw.count(".") == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["timesheets-spa"], "signing a person in"),
        (["timesheets-cron", "--scope", "approve:timesheets"], "invalid_scope"),
        (["timesheets-cron", "--audience", "urn:nobody"], "invalid_target"),
        (["nobody"], "no app 'nobody'"),
    ],
)
def test_token_says_why_it_cannot(words: list[str], reason: str, dev: Running) -> None:
    assert reason in refusal("token", *words, dev=dev)


def test_token_without_a_server_says_how_to_start_one(data: Path) -> None:
    with a_dev_server(data):
        pass
    done = innkeeper("token", "timesheets-cron", data=data)
    assert done.returncode == 1
    assert "innkeeper dev" in done.stderr


# ------------------------------------------------------------ words of this file


def assert_done(*words: str, dev: Running, stdin: str = "") -> str:
    """What a command that must succeed prints."""
    done = innkeeper(*words, data=dev.data, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(*words: str, dev: Running) -> str:
    """The one line of a command that must fail."""
    done = innkeeper(*words, data=dev.data)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@contextmanager
def a_production_server(data: Path, port: int) -> Iterator[Running]:
    command = [sys.executable, "-m", "innkeeper", "serve", "--data", str(data), "--port", str(port)]
    with started(command, data) as running:
        wait_until(lambda: answers(port), running)
        yield running


def answers(port: int) -> bool:
    """As raw as can be: an HTTP client takes longer to load than the server does to start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def resident_kib(running: Running) -> int:
    """Of the process itself, where the system says so."""
    done = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(running.process.pid)], capture_output=True, text=True, check=False
    )
    return int(done.stdout or 0)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
