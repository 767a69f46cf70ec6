"""The files of a data folder: private, whole, and never guessed."""

from __future__ import annotations

import base64
import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from innkeeper.server.cli import data_folder, dev_file, last_dev, master_secret_file, private_file
from innkeeper.server.cli.backup import give_name
from innkeeper.server.cli.dev_file import DevApi, DevApp, DevFile, DevPerson
from innkeeper.server.cli.failure import CommandFailed

KEY = base64.b64encode(b"k" * 32).decode()
OLD = base64.b64encode(b"o" * 32).decode()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_replaced_as_a_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    private_file.replace(file, "one")
    before = file.stat().st_ino
    private_file.replace(file, "two")
    assert file.read_text("utf-8") == "two"
    assert file.stat().st_ino != before
    assert mode(file) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["dev.json"]


def test_a_private_file_is_not_left_half_written(tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    private_file.replace(file, "one")
    with pytest.raises(UnicodeEncodeError):
        private_file.replace(file, "\ud800")
    assert file.read_text("utf-8") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["dev.json"]


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    private_file.create(tmp_path / "x", "one")
    with pytest.raises(FileExistsError):
        private_file.create(tmp_path / "x", "two")


def test_a_first_start_draws_a_master_secret_and_later_ones_keep_it(tmp_path: Path) -> None:
    folder = data_folder.at(tmp_path)
    first = master_secret_file.load_or_create(folder, {})
    again = master_secret_file.load_or_create(folder, {})
    assert len(first.current.value.reveal()) == 32
    assert first.current.value.reveal() == again.current.value.reveal()
    assert mode(folder.master_secret) == 0o600


def test_no_new_secret_is_drawn_beside_a_database(tmp_path: Path) -> None:
    folder = data_folder.at(tmp_path)
    folder.database.touch()
    with pytest.raises(CommandFailed, match="master secret is missing"):
        master_secret_file.load_or_create(folder, {})
    assert not folder.master_secret.exists()


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    folder = data_folder.at(tmp_path)
    master_secret_file.load_or_create(folder, {})
    loaded = master_secret_file.load(folder, {"INNKEEPER_MASTER_SECRET": KEY})
    assert loaded.current.value.reveal() == b"k" * 32


@pytest.mark.parametrize(
    "text",
    [f"2 {KEY}\n1 {OLD}\n", f"# words\n\n2 {KEY}\n  1   {OLD}", f"2:{KEY}\n1:{OLD}"],
)
def test_the_first_line_is_the_current_key(text: str) -> None:
    ring = master_secret_file.parse(text, "here").ring
    assert [(key.key_id, key.value.reveal()) for key in ring] == [(2, b"k" * 32), (1, b"o" * 32)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no key"),
        ("# only words", "no key"),
        ("1 %%%", "line 1"),
        ("x " + KEY, "line 1"),
        (f"256 {KEY}", "0 to 255"),
        (f"1 {KEY} more", "0 to 255"),
        ("1 " + base64.b64encode(b"short").decode(), "at least 32 bytes"),
        (f"1 {KEY}\n1 {OLD}", "same ID"),
    ],
)
def test_a_damaged_master_secret_is_refused_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(CommandFailed, match=reason) as refusal:
        master_secret_file.parse(text, "here")
    assert KEY not in str(refusal.value)


def test_a_secret_that_others_can_read_is_noticed(tmp_path: Path) -> None:
    folder = data_folder.at(tmp_path)
    master_secret_file.load_or_create(folder, {})
    assert master_secret_file.is_private(folder.master_secret)
    folder.master_secret.chmod(0o640)
    assert not master_secret_file.is_private(folder.master_secret)


def test_dev_json_says_what_was_written_and_leaves_out_what_there_is_not(tmp_path: Path) -> None:
    content = DevFile(
        issuer="http://localhost:9000",
        people=(DevPerson(username="erin", email="erin@exampleco.test", password="p", roles=("Employee",)),),
        apps=(
            DevApp(
                client_id="web", client_secret="s", type="regular_web", redirect_uris=("http://localhost/cb",)
            ),
            DevApp(client_id="spa", type="spa", redirect_uris=()),
        ),
        apis=(DevApi(identifier="urn:a", scopes=("read",)),),
    )
    dev_file.write(tmp_path / "dev.json", content)
    assert dev_file.read(tmp_path / "dev.json") == content
    assert "null" not in (tmp_path / "dev.json").read_text("utf-8")
    assert (content.secret_of("web"), content.secret_of("spa")) == ("s", None)


def test_a_damaged_dev_json_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "dev.json").write_text("{", encoding="utf-8")
    with pytest.raises(CommandFailed, match="Delete it"):
        dev_file.read(tmp_path / "dev.json")
    assert dev_file.read(tmp_path / "none.json") is None


def a_dev_folder(path: Path, port: int = 1) -> Path:
    path.mkdir(parents=True)
    dev_file.write(path / "dev.json", DevFile(issuer=f"http://localhost:{port}", people=(), apps=(), apis=()))
    return path


def a_production_folder(path: Path, **settings: str) -> Path:
    path.mkdir(parents=True)
    lines = {"issuer": "https://id.example.test"} | settings
    text = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    (path / "innkeeper.toml").write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, and no hint in the environment."""
    for name in ("INNKEEPER_DATA", "INNKEEPER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    place = tmp_path / "project" / "deep"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    return place


def test_a_command_finds_the_nearest_dev_folder_upwards(nowhere: Path) -> None:
    expected = a_dev_folder(nowhere.parent / ".innkeeper")
    assert data_folder.find(None).path == expected
    assert data_folder.find(None).settings().dev


def test_a_dev_server_that_runs_elsewhere_goes_before_a_folder_that_does_not_run(nowhere: Path) -> None:
    nearest = a_dev_folder(nowhere.parent / ".innkeeper")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = a_dev_folder(nowhere.parent.parent / "running", port=listener.getsockname()[1])
        last_dev.note(running)
        assert data_folder.find(None).path == running
    assert data_folder.find(None).path == nearest
    (running / "dev.json").write_text("{", encoding="utf-8")
    assert data_folder.find(None).path == nearest


def test_settings_in_this_folder_go_before_a_dev_folder(nowhere: Path) -> None:
    a_dev_folder(nowhere / ".innkeeper")
    (nowhere / "innkeeper.toml").write_text('issuer = "https://id.example.test"\n', encoding="utf-8")
    found = data_folder.find(None)
    assert (found.path, found.settings().issuer) == (nowhere.resolve(), "https://id.example.test")


def test_what_is_named_goes_before_what_is_found(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_dev_folder(nowhere / ".innkeeper")
    one = a_production_folder(nowhere.parent / "one")
    two = a_production_folder(nowhere.parent / "two")
    monkeypatch.setenv("INNKEEPER_DATA", str(one))
    assert data_folder.find(None).path == one.resolve()
    assert data_folder.find(str(two)).path == two.resolve()


def test_a_settings_file_may_name_another_folder_seen_from_where_it_lies(nowhere: Path) -> None:
    config = a_production_folder(nowhere / "etc", data="../data") / "innkeeper.toml"
    found = data_folder.for_production(None, str(config))
    assert (found.path, found.config) == ((nowhere / "data").resolve(), config)


def test_data_and_config_together_are_refused(nowhere: Path) -> None:
    with pytest.raises(CommandFailed, match="give one of them"):
        data_folder.for_production("a", "b")


def test_a_folder_that_is_none_is_named(nowhere: Path) -> None:
    with pytest.raises(CommandFailed, match="innkeeper dev"):
        data_folder.find(None)
    with pytest.raises(CommandFailed, match="not a data folder"):
        data_folder.find(str(nowhere))
    with pytest.raises(CommandFailed, match="innkeeper init"):
        data_folder.for_production(str(nowhere), None)


@pytest.mark.parametrize("has_links", [True, False])
def test_a_backup_that_is_done_has_its_name_after_a_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """A name is on disk when its folder is."""
    unfinished, target = tmp_path / ".hidden", tmp_path / "backup"
    unfinished.write_text("everything")
    named_when_flushed: list[bool] = []

    def flush(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), tmp_path.stat())
        named_when_flushed.append(target.exists())

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "this disk has no links")

    monkeypatch.setattr(os, "fsync", flush)
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    give_name(unfinished, target)
    assert named_when_flushed == [True]
    assert target.read_text() == "everything"


@pytest.mark.parametrize("write", [private_file.create, private_file.replace])
def test_a_private_file_has_its_name_after_a_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], None]
) -> None:
    """A master secret that is gone makes what is left unreadable."""
    target = tmp_path / "secret"
    flushed: list[bool] = []

    def flush(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), tmp_path.stat()):
            flushed.append(target.exists())

    monkeypatch.setattr(os, "fsync", flush)
    write(target, "text")
    assert flushed == [True]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_flushed_is_left_and_one_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    unfinished, target = tmp_path / ".hidden", tmp_path / "backup"
    unfinished.write_text("everything")

    def fail(descriptor: int) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError) if number == errno.EIO else nullcontext():
        give_name(unfinished, target)
    assert target.exists()
