"""Commands and a running server: two directories, an app that takes passwords, and a flood of wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.programs import asked, innkeeper
from tests.house import Standing, within
from tests.two_nodes import PLACES, standing_at

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("password")]
PASSWORD, OTHER = "four words of carl here", "four words of another carl"
PATIENCE_S = 20.0
ADDRESS = "carl2@exampleco.test"
REALM = "http://auth0.com/oauth/grant-type/password-realm"
API = "https://api.exampleco.test/timesheets"


@pytest.fixture(scope="module", params=PLACES)
def dev(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("password")
    with standing_at(request.param, folder, request, is_legacy=True) as place:
        people(place.data)
        place.settle()
        yield place


def people(data: Path) -> None:
    """Carl of the staff and carl of the contractors share an address."""
    said("directory", "create", "contractors", "--label", "Contractors", data=data)
    person = ("user", "create", "carl2", "--email", ADDRESS, "--password-stdin")
    said(*person, data=data, stdin=PASSWORD)
    said(*person, "--directory", "contractors", data=data, stdin=OTHER)


def said(*words: str, data: Path, stdin: str = "") -> str:
    done = innkeeper(*words, data=data, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def terminal(dev: Standing, name: str, *options: str) -> str:
    """A new app that takes passwords; its secret."""
    words = ("app", "create", name, "--type", "regular_web", "--acknowledge-password-grant", "--json")
    grants = ("--grant-type", "password", "--grant-type", REALM, "--grant-type", "refresh_token")
    created: dict[str, Any] = asked(*words[:-1], *grants, *options, data=dev.data)
    return str(created["client_secret"])


def ask(
    dev: Standing, app: str, secret: str, headers: dict[str, str] | None = None, **form: str
) -> httpx2.Response:
    fields = {"grant_type": "password", "username": ADDRESS, "scope": "openid offline_access"} | form
    return httpx2.post(f"{dev.issuer}/oauth/token", data=fields, auth=(app, secret), headers=headers or {})


def test_T49_it_is_given_to_a_trusted_app_alone_and_lint_says_so(dev: Standing) -> None:
    terminal(dev, "terminal49")
    found = asked("lint", data=dev.data)
    assert any("terminal49" in str(finding) and "password" in str(finding) for finding in found)
    for kind, options in {
        "partner49": ("--type", "regular_web", "--third-party", "--publisher", "Partner"),
        "browser49": ("--type", "spa"),
        "silent49": ("--type", "regular_web"),
    }.items():
        word = () if kind == "silent49" else ("--acknowledge-password-grant",)
        done = innkeeper("app", "create", kind, *options, *word, "--grant-type", "password", data=dev.data)
        assert done.returncode == 1, kind
        assert done.stderr.count("\n") == 1
        assert innkeeper("app", "show", kind, data=dev.data).returncode == 1


def test_T50_two_people_of_one_address_by_realm(dev: Standing) -> None:
    secret = terminal(dev, "terminal50")
    document = httpx2.get(f"{dev.issuer}/.well-known/openid-configuration").json()
    assert {"password", REALM} <= set(document["grant_types_supported"])
    within(PATIENCE_S, lambda: ask(dev, "terminal50", secret, password=PASSWORD).status_code == 200)
    theirs = ask(dev, "terminal50", secret, grant_type=REALM, realm="contractors", password=OTHER)
    assert theirs.status_code == 200, theirs.text
    mine = ask(dev, "terminal50", secret, password=PASSWORD)
    names = [
        httpx2.get(
            document["userinfo_endpoint"],
            headers={"authorization": f"Bearer {answer.json()['access_token']}"},
        ).json()["sub"]
        for answer in (mine, theirs)
    ]
    shown = [asked("user", "show", who, data=dev.data)["sub"] for who in ("carl2", "contractors:carl2")]
    assert names == shown and names[0] != names[1]
    assert ask(dev, "terminal50", secret, password=OTHER).json()["error"] == "invalid_grant"
    again = {"grant_type": "refresh_token", "refresh_token": theirs.json()["refresh_token"]}
    refreshed = httpx2.post(f"{dev.issuer}/oauth/token", data=again, auth=("terminal50", secret))
    assert refreshed.status_code == 200
    unknown = ask(dev, "terminal50", secret, grant_type=REALM, realm="nobody", password=OTHER)
    assert unknown.json()["error"] == "invalid_request"


def test_T51_a_flood_blocks_the_person_at_that_address_and_the_log_holds_no_password(dev: Standing) -> None:
    secret = terminal(dev, "terminal51", "--trust-forwarded-for")
    victim, wrong = {"auth0-forwarded-for": "198.51.100.7"}, "a canary among passwords"
    mona = dev.person("mona")
    given = {"username": mona["username"], "password": mona["password"], "scope": "openid"}
    within(PATIENCE_S, lambda: ask(dev, "terminal51", secret, **given).status_code == 200)
    answers = [ask(dev, "terminal51", secret, victim, **(given | {"password": wrong})) for _ in range(11)]
    assert {answer.json()["error"] for answer in answers} == {"invalid_grant"}
    assert "Too many" in answers[-1].json()["error_description"]
    assert ask(dev, "terminal51", secret, victim, **given).json()["error"] == "invalid_grant"
    assert ask(dev, "terminal51", secret, **given).status_code == 200
    within(PATIENCE_S, lambda: "198.51.100.7" in dev.err)
    assert wrong not in dev.err and OTHER not in dev.err and PASSWORD not in dev.err
    for file in dev.data.iterdir():
        assert wrong.encode() not in file.read_bytes()
