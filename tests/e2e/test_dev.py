"""`innkeeper dev`: one command, no question, a working issuer with people, apps and an API."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from innkeeper.jose import base64url
from tests.e2e.programs import Running, a_dev_server, innkeeper

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("dev")]
API = "https://api.exampleco.test/timesheets"
SCOPES = ["read:timesheets", "create:timesheets", "delete:timesheets", "approve:timesheets", "batch:upload"]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with a_dev_server(tmp_path_factory.mktemp("dev") / "data") as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_command_finds_the_running_folder_from_anywhere_and_forgets_it_when_it_ends(
    data: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    state = str(tmp_path / "state")
    with a_dev_server(data, XDG_STATE_HOME=state) as running:
        done = innkeeper("app", "create", "my-site", "--type", "spa", cwd=elsewhere, XDG_STATE_HOME=state)
        assert done.returncode == 0, done.stderr
        assert f"OIDC_ISSUER={running.issuer}" in done.stdout
        assert str(data) in done.stderr
        unread = innkeeper("app", "list", cwd=elsewhere)
        assert unread.returncode == 1
    done = innkeeper("app", "list", cwd=elsewhere, XDG_STATE_HOME=state)
    assert done.returncode == 1
    assert "innkeeper dev" in done.stderr


def test_an_issuer_may_end_with_a_slash_and_its_endpoints_have_one(data: Path) -> None:
    with a_dev_server(data, "--port", "0", "--trailing-slash") as running:
        assert running.issuer.endswith("/")
        address = running.issuer.removesuffix("/")
        document = httpx2.get(f"{address}/.well-known/openid-configuration", trust_env=False).json()
        assert document["issuer"] == running.issuer
        assert document["token_endpoint"] == f"{address}/oauth/token"
        assert f"curl {address}/oauth/token" in running.out


def test_the_first_start_asks_nothing_and_says_how_long_it_took(data: Path) -> None:
    began = time.monotonic()
    with a_dev_server(data) as running:
        seconds = time.monotonic() - began
        cpu = running.cpu_seconds()
        print(f"innkeeper dev, empty folder to dev.json: {seconds:.2f} s, {cpu:.2f} s of one core")
        assert "ready in" in running.out


def test_discovery_answers_under_both_addresses_of_loopback_with_the_issuer_as_written(dev: Running) -> None:
    assert dev.issuer.startswith("http://localhost:")
    assert not dev.issuer.endswith("/")
    port = int(dev.issuer.rpartition(":")[2])
    addresses = ["127.0.0.1"] + (["[::1]"] if has_ipv6() else [])
    for address in addresses:
        answer = httpx2.get(
            f"http://{address}:{port}/.well-known/openid-configuration",
            headers={"host": f"localhost:{port}"},
            trust_env=False,
        )
        assert answer.json()["issuer"] == dev.issuer


def test_dev_json_holds_the_example_world(dev: Running) -> None:
    document = dev.dev
    assert list(document) == ["issuer", "people", "apps", "apis", "legacy"] and not any(
        document["legacy"].values()
    )
    assert document["apis"] == [{"identifier": API, "scopes": SCOPES}]
    people = {person["username"]: person for person in document["people"]}
    assert {name: person["roles"] for name, person in people.items()} == {
        "ada": ["Administrator"],
        "erin": ["Employee"],
        "mona": ["Manager"],
        "carl": [],
    }
    assert all(person["email"] == f"{name}@exampleco.test" for name, person in people.items())
    assert len({person["password"] for person in people.values()}) == 4
    apps = {app["client_id"]: app for app in document["apps"]}
    assert {
        name: (app["type"], app["redirect_uris"], "client_secret" in app) for name, app in apps.items()
    } == {
        "timesheets-web": ("regular_web", ["http://localhost:8000/auth/callback"], True),
        "timesheets-spa": (
            "spa",
            ["http://localhost:8001/callback.html", "http://localhost:8001/popup.html"],
            False,
        ),
        "timesheets-cli": ("native", ["http://127.0.0.1/callback"], False),
        "timesheets-tv": ("native", [], False),
        "timesheets-cron": ("m2m", [], True),
        "paycheck": ("regular_web", ["http://localhost:8002/auth/callback"], True),
    }


def test_everything_that_holds_a_secret_is_for_the_owner_alone(dev: Running) -> None:
    for name in ("dev.json", "master.secret", "innkeeper.sqlite3"):
        assert stat.S_IMODE((dev.data / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(dev.data.stat().st_mode) == 0o700


def test_the_database_holds_no_password_and_no_secret(dev: Running) -> None:
    stored = b"".join(path.read_bytes() for path in dev.data.glob("innkeeper.sqlite3*"))
    secrets = [person["password"] for person in dev.dev["people"]]
    secrets += [app["client_secret"] for app in dev.dev["apps"] if "client_secret" in app]
    assert len(secrets) == 7
    assert not [secret for secret in secrets if secret.encode() in stored]


def test_the_screen_says_what_dev_json_says(dev: Running) -> None:
    for fact in (dev.issuer, str(dev.data), API, "this machine only"):
        assert fact in dev.out
    for person in dev.dev["people"]:
        assert person["password"] in dev.out
    for app in dev.dev["apps"]:
        assert app.get("client_secret", app["client_id"]) in dev.out
    assert "\x1b" not in dev.out


def test_the_curl_on_the_screen_works_as_it_stands(dev: Running) -> None:
    command = shlex.split(next(line for line in dev.out.splitlines() if line.startswith("curl ")))
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (on Debian: apt-get install curl)")
    done = subprocess.run(
        [*command, "--silent", "--noproxy", "*"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["scope"] == "batch:upload"
    claims = json.loads(base64url.decode(answer["access_token"].split(".")[1]))
    assert (claims["iss"], claims["aud"], claims["sub"]) == (dev.issuer, API, "timesheets-cron")


def test_the_api_has_rbac_and_offline_access_and_paycheck_is_a_third_party(dev: Running) -> None:
    api = json.loads(innkeeper("api", "show", API, "--json", data=dev.data).stdout)
    assert (api["enforce_rbac"], api["allow_offline_access"], api["skip_consent"]) == (True, True, True)
    assert all(scope["description"] for scope in api["scopes"])
    paycheck = json.loads(innkeeper("app", "show", "paycheck", "--json", data=dev.data).stdout)
    assert (paycheck["is_first_party"], paycheck["publisher"]) == (False, "PayCheck Ltd")
    assert paycheck["api_grants"] == [{"api": API, "scopes": ["read:timesheets", "create:timesheets"]}]
    carl = json.loads(innkeeper("user", "show", "carl", "--json", data=dev.data).stdout)
    assert {permission["scope"] for permission in carl["permissions"]} == {
        "read:timesheets",
        "create:timesheets",
    }


def test_each_person_has_every_standard_claim(dev: Running) -> None:
    for name in ("ada", "erin", "mona", "carl"):
        person = json.loads(innkeeper("user", "show", name, "--json", data=dev.data).stdout)
        assert {"name", "given_name", "family_name", "nickname", "profile", "picture", "website"} <= set(
            person["profile"]
        )
        assert {"gender", "birthdate", "zoneinfo", "locale"} <= set(person["profile"])
        assert person["email_verified"]
        assert person["phone_number_verified"]
        assert person["address"]["country"]


def test_a_restart_keeps_passwords_secrets_and_records_even_on_another_port(data: Path) -> None:
    with a_dev_server(data) as running:
        first = running.dev
        assert innkeeper("app", "create", "mine", "--type", "native", data=data).returncode == 0
    with a_dev_server(data) as running:
        second = running.dev
        assert second.pop("issuer") != first.pop("issuer")
        assert second == first
        assert token(running).status_code == 200
        assert innkeeper("app", "show", "mine", data=data).returncode == 0


def test_a_restart_does_not_bring_back_what_was_deleted_nor_show_a_password_that_was_changed(
    data: Path,
) -> None:
    with a_dev_server(data):
        assert innkeeper("app", "delete", "paycheck", data=data).returncode == 0
        assert innkeeper("user", "set-password", "erin", "--generate", data=data).returncode == 0
        assert (
            innkeeper("app", "rotate-secret", "timesheets-web", "--keep-old", "0", data=data).returncode == 0
        )
    with a_dev_server(data) as running:
        assert "paycheck" not in [app["client_id"] for app in running.dev["apps"]]
        assert "password" not in running.person("erin")
        assert "client_secret" not in running.app("timesheets-web")
        assert "password" in running.person("mona")


def test_without_dev_json_the_next_start_draws_new_passwords(data: Path) -> None:
    with a_dev_server(data) as running:
        first = running.dev
    (data / "dev.json").unlink()
    with a_dev_server(data) as running:
        second = running.dev
        assert token(running).status_code == 200
    assert not {person["password"] for person in first["people"]} & {
        person["password"] for person in second["people"]
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_gracefully(data: Path, number: int) -> None:
    with a_dev_server(data) as running:
        assert running.stop(number) == 0
        assert "Traceback" not in running.err


def test_a_taken_port_names_its_remedy(dev: Running, tmp_path: Path) -> None:
    port = dev.issuer.rpartition(":")[2]
    done = innkeeper("dev", "--port", port, data=tmp_path / "other")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Port {port} is taken" in done.stderr
    assert "innkeeper dev --port" in done.stderr


def test_a_second_server_on_the_same_folder_is_refused_in_one_line(dev: Running) -> None:
    done = innkeeper("dev", "--port", "0", data=dev.data)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "already serves" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_it_refuses_anything_but_loopback(host: str, data: Path) -> None:
    done = innkeeper("dev", "--port", "0", "--host", host, data=data)
    assert done.returncode == 1
    assert "this machine only" in done.stderr
    assert not data.exists()


def test_it_does_not_serve_a_production_folder(data: Path) -> None:
    assert innkeeper("init", "--issuer", "https://id.example.test", data=data).returncode == 0
    done = innkeeper("dev", "--port", "0", data=data)
    assert done.returncode == 1
    assert "innkeeper serve" in done.stderr


def test_a_missing_master_secret_is_never_replaced(data: Path) -> None:
    with a_dev_server(data):
        pass
    (data / "master.secret").unlink()
    done = innkeeper("dev", "--port", "0", data=data)
    assert done.returncode == 1
    assert "master secret is missing" in done.stderr
    assert not (data / "master.secret").exists()


def test_another_master_secret_is_refused(data: Path) -> None:
    with a_dev_server(data):
        pass
    (data / "master.secret").write_text("1 " + "A" * 43 + "=\n", encoding="ascii")
    done = innkeeper("dev", "--port", "0", data=data)
    assert done.returncode == 1
    assert "another master secret" in done.stderr


def test_commands_find_the_dev_folder_from_any_folder_below(tmp_path: Path) -> None:
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    with a_dev_server(tmp_path / ".innkeeper"):
        done = innkeeper("app", "list", cwd=below)
        assert done.returncode == 0
        assert "timesheets-web" in done.stdout


def token(running: Running) -> httpx2.Response:
    """client_credentials of timesheets-cron."""
    app = running.app("timesheets-cron")
    return httpx2.post(
        f"{running.issuer}/oauth/token",
        data={"grant_type": "client_credentials", "audience": API},
        auth=(app["client_id"], app["client_secret"]),
        trust_env=False,
    )


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return sys.platform != "win32"
