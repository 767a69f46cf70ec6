"""The address of the database: what is refused, and that no part of a password is shown, whoever shows it."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from innkeeper.server import config
from innkeeper.server.cli.init import init
from innkeeper.server.cli.migrate_db import migrate_db
from innkeeper.server.model.database_url import UrlRefused, holds_password, place_of, split
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql import hosts

CANARY = ("swordfish", "canary")
"""The two parts of a password, around what splits it."""

SPLIT_ELSEWHERE = [
    "postgresql://app:swordfish#canary@db/x",
    "postgresql://app:swordfish/canary@db/x",
    "postgresql://app:swordfish?canary@db/x",
    "postgresql://app:swordfish[canary@db/x",
    "postgresql://app:swordfish]canary@db/x",
    "postgresql://app:[swordfish]canary@db/x",
    "postgresql://app:swordfish@canary@db/x",
    "postgresql://app:swordfish#canary",
    "postgresql://app:swordfish/canary",
    "postgresql://app:swordfish?canary=1",
    "postgresql://swordfish/canary@db/x",
    "postgresql://app:5#canary@db/x",
    "postgresql://app:5/canary@db/x",
    "postgresql://db:5432,app:swordfish/x",
    "postgresql://app:swordfish\u2100canary@db/x",  # a sign that some libraries take for a slash
    "postgresql:app:swordfish:canary@db/x",
    "postgresql:/app:swordfish@db/canary",
    "postgresql://db/x?password=swordfish#canary",
    "postgresql://db/x?password=swordfish&canary",
    "postgresql://db/x?password=swordfish@canary",
    "app:swordfish:canary@db/x",
    "mysql://app:swordfish@db/x",
    "swordfish://canary",
]
READ = [
    ("postgresql://app:swordfish@db/x", "postgresql://app@db/x"),
    ("postgresql://app:sword%23fish%40canary@db/x", "postgresql://app@db/x"),
    ("postgresql://app%3Aswordfish@db/x", "postgresql://app@db/x"),
    ("postgresql://app%3aswordfish@db/x", "postgresql://app@db/x"),
    ("postgres://app:@one:5432,[::1]:5433/x", "postgresql://app@one:5432,[::1]:5433/x"),
    ("postgresql://:swordfish@db/x", "postgresql://db/x"),
    ("postgresql://db/x?user=app&password=swordfish", "postgresql://db/x"),
    ("postgresql://db/x?sslpassword=swordfish", "postgresql://db/x"),
    ("postgresql://db/x?pass%77ord=swordfish", "postgresql://db/x"),
    ("postgresql://db/x?PASSWORD=swordfish", "postgresql://db/x"),
    ("postgresql:///x?host=/run/postgresql&password=swordfish", "postgresql:///x"),
]


def keeps_still(said: str) -> None:
    assert not [part for part in CANARY if part in said], said


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", SPLIT_ELSEWHERE)
def test_a_password_that_splits_the_address_elsewhere_is_refused_and_no_part_of_it_is_repeated(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    document = config.Settings(issuer="https://id.example", database=config.Database(url=url))
    with pytest.raises(UrlRefused) as refused:
        split(url)
    keeps_still("".join(traceback.format_exception(refused.value)))
    with pytest.raises(config.SettingsRefused, match=r"^database\.url: ") as of_settings:
        config.check(document)
    keeps_still("".join(traceback.format_exception(of_settings.value)))
    with pytest.raises(StoreUnavailable) as of_store:
        hosts.addresses(url)
    keeps_still("".join(traceback.format_exception(of_store.value)))
    keeps_still(caplog.text)


@pytest.mark.parametrize(("url", "place"), READ)
def test_a_password_that_is_understood_is_known_as_one_and_never_part_of_the_place(
    url: str, place: str
) -> None:
    assert holds_password(url)
    assert place_of(url) == place
    for host in hosts.addresses(url):
        keeps_still(host)
        assert "app" not in host
    config.check(config.Settings(issuer="https://id.example", database=config.Database(url=url)))


@pytest.mark.parametrize("url", [*SPLIT_ELSEWHERE, *(url for url, _ in READ)])
def test_no_command_takes_a_password_and_none_writes_it_anywhere(url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = CliRunner().invoke
    for done in (
        run(init, ["--issuer", "https://id.example", "--data", str(data), "--database", url]),
        run(migrate_db, ["sqlite:///nowhere/at.all", url]),
        run(migrate_db, [url, "sqlite:///nowhere/at.all"]),
        run(migrate_db, [url, "--cancel"]),
    ):
        assert type(done.exception).__name__ in ("CommandFailed", "SettingsRefused"), done
        keeps_still(f"{done.output} {done.exception}")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@one.example.test:5432,two.example.test/x?target_session_attrs=primary",
        "postgresql://app@[::1]:5432/x?passfile=/etc/passfile&sslmode=verify-full",
        "postgresql://%2Frun%2Fpostgresql/x",
        "postgresql:///x",
        "POSTGRES://app@db",
    ],
)
def test_an_address_without_a_password_is_taken(url: str) -> None:
    assert not holds_password(url)
    assert place_of(url).removeprefix("postgresql://") in url


def test_whoever_is_refused_is_told_what_to_do() -> None:
    with pytest.raises(UrlRefused, match=r"%23.*passfile.*PGPASSWORD"):
        split("postgresql://app:swordfish#canary@db/x")
