"""What commands take and print: durations, scopes, tables, tokens taken apart, the curl that repeats a request."""

from __future__ import annotations

import errno
import shlex
import socket
from datetime import timedelta
from typing import Any

import click
import pytest

from innkeeper.jose import base64url
from innkeeper.server.cli import (
    arguments,
    dev_world,
    listening,
    output,
    passwords,
    snippet,
    token,
    token_screen,
)
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.serve import check_exposure
from innkeeper.server.config import Listen
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission
from tests.world import a_public_client

API = ApiIdentifier("urn:a")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("900", 900), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000), ("7s", 7)],
)
def test_durations_are_written_short(text: str, seconds: int) -> None:
    assert arguments.Duration().convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1w", "-1h", "1.5h", "h", "1 h", "9" * 10])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter):
        arguments.Duration().convert(text, None, None)


def test_the_words_of_a_scope_follow_its_first_equals_sign() -> None:
    scope = arguments.scope("read:x=See x = y")
    assert (scope.value, scope.description) == ("read:x", "See x = y")


def test_scopes_may_be_given_together_or_apart_and_count_once() -> None:
    assert arguments.words(["a b", "b", " c "]) == ("a", "b", "c")


def test_scopes_without_their_api_are_refused() -> None:
    with pytest.raises(click.UsageError, match="--api"):
        arguments.permissions(None, ["a"], option="--scope")
    with pytest.raises(click.UsageError, match="--api"):
        arguments.api_grants((), None, ["a"], option="--scope")
    with pytest.raises(click.UsageError, match="--scope"):
        arguments.api_grants((), "urn:a", [], option="--scope")
    assert arguments.permissions(None, [], option="--scope") == ()
    assert arguments.permissions("urn:a", ["x"], option="--scope") == (Permission(api=API, scope="x"),)


def test_a_new_ceiling_replaces_the_old_one_of_that_api_alone() -> None:
    other = ApiGrant(api=ApiIdentifier("urn:b"), scope=("b",))
    before = (ApiGrant(api=API, scope=("old",)), other)
    assert arguments.api_grants(before, "urn:a", ["new"], option="--scope") == (
        other,
        ApiGrant(api=API, scope=("new",)),
    )
    assert arguments.api_grants(before, None, [], option="--scope") is None


def test_a_plain_table_lines_up_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("A", "B"), [("x" * 200, "1"), ("y", "22")], empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert [line.index(word) for line, word in zip(lines, ("B", "1", "22"), strict=True)] == [202] * 3
    output.table(("A",), [], empty="none")
    assert capsys.readouterr().out == "none\n"


def test_a_beautiful_table_shows_brackets_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_beautiful", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    output.table(("NAME",), [("[bold]not markup[/bold]",)], empty="")
    assert "[bold]not markup[/bold]" in capsys.readouterr().out


def test_several_values_of_a_field_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    output.fields({"One": "1", "Several": ["a", "b"], "None": []})
    assert capsys.readouterr().out.splitlines() == ["One      1", "Several  a", "         b", "None     -"]


def test_generated_passwords_differ_and_pass_for_one() -> None:
    drawn = {passwords.generated() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(password) for password in drawn} == {19}


def test_a_password_comes_from_one_place() -> None:
    with pytest.raises(click.UsageError, match="one of them"):
        passwords.ask(from_stdin=True, generate=True)


def test_a_token_is_taken_apart_without_being_believed() -> None:
    part = base64url.encode(b'{"alg":"none"}')
    assert token_screen.decoded(f"{part}.{part}.") == ({"alg": "none"}, {"alg": "none"})
    assert token_screen.decoded("ik_at_opaque") is None


def test_every_claim_of_a_machine_token_has_its_half_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope")
    assert set(names) <= set(token_screen.CLAIMS)
    token_screen.show({"access_token": "ik_at_x", "token_type": "Bearer", "expires_in": 1}, "curl x")
    assert "Opaque" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_curl_can_be_pasted_whatever_is_in_it(method: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "a b", "audience": "urn:it's"}
    request = token.Request("http://localhost/oauth/token", "app", method, form)
    words = shlex.split(token.curl(request, "se cret"))
    assert words[:2] == ["curl", "http://localhost/oauth/token"]
    assert {f"{name}={value}" for name, value in form.items()} <= set(words)
    assert any("se cret" in word for word in words)


def test_the_curl_names_the_variable_of_a_secret_that_lies_in_no_file() -> None:
    request = token.Request("http://localhost/oauth/token", "app", "client_secret_basic", {})
    assert '-u "app:$CLIENT_SECRET"' in token.curl(request, "$CLIENT_SECRET")


@pytest.mark.parametrize(
    "listen",
    [
        Listen(),
        Listen(host="::1"),
        Listen(host="127.0.0.5"),
        Listen(host="0.0.0.0", certificate="c", private_key="k"),
        Listen(host="10.0.0.1", trusted_proxies=("10.0.0.2",)),
    ],
)
def test_these_send_no_password_in_clear(listen: Listen) -> None:
    check_exposure(listen)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "id.example.test", "127.evil.test"])
def test_plain_http_beyond_this_machine_is_refused(host: str) -> None:
    with pytest.raises(CommandFailed, match="in clear"):
        check_exposure(Listen(host=host))


def test_a_taken_port_is_known_before_anything_else() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError) as failure:
            listening.on_loopback(taken.getsockname()[1])
    assert failure.value.errno == errno.EADDRINUSE


def test_sockets_are_bound_on_both_addresses_and_do_not_listen_yet() -> None:
    sockets, port = listening.on_loopback(0)
    try:
        assert {bound.getsockname()[1] for bound in sockets} == {port}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        for bound in sockets:
            bound.close()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EADDRINUSE, "taken"), (errno.EACCES, "rights"), (errno.EINVAL, "Invalid")]
)
def test_each_failure_of_a_port_has_its_words(number: int, words: str) -> None:
    import os

    failure = listening.failure(OSError(number, os.strerror(number)), 80, remedy="Do this.")
    assert words in str(failure)
    assert str(failure).endswith("Do this.")


def test_people_of_the_example_world_have_every_standard_claim() -> None:
    for person in dev_world.people():
        absent = [name for name in person.profile.__struct_fields__ if getattr(person.profile, name) is None]
        assert absent == ["middle_name"]
        assert person.address is not None
        assert None not in [getattr(person.address, name) for name in person.address.__struct_fields__]


def test_apps_of_the_example_world_come_back_to_loopback_only() -> None:
    uris: list[Any] = [uri for app in dev_world.APPS for uri in app.redirect_uris or ()]
    assert len(uris) == 5
    assert all(uri.startswith(("http://localhost:", "http://127.0.0.1/")) for uri in uris)


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        ("http://127.0.0.1/callback", "every port is accepted"),
        ("http://[::1]:5000/callback", "every port is accepted"),
        ("http://localhost/callback", "exactly like this"),
        ("com.example.app:/callback", "exactly like this"),
    ],
)
def test_the_snippet_promises_a_free_port_only_where_there_is_one(callback: str, words: str) -> None:
    client = a_public_client("cli", type="native", redirect_uris=(callback,))
    [native] = snippet.SNIPPETS["native"]
    assert words in snippet.filled(native, client, "https://id.example.test")


def test_from_a_clone_the_screen_names_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INNKEEPER_PROGRAM", raising=False)
    assert output.program() == "innkeeper"
    monkeypatch.setenv("INNKEEPER_PROGRAM", "python3 run.py")
    assert output.program() == "python3 run.py"
