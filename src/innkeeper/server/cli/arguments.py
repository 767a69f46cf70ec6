"""Values of options: scopes with their descriptions, permissions, durations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

import click

from innkeeper.server.model.api import ApiScope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission

Command = TypeVar("Command", bound=Callable[..., Any])
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[timedelta]):
    """`900`, `15m`, `24h`, `30d`."""

    name = "duration"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a duration: write 900, 15m, 24h or 30d.", param, ctx)
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def scope(text: str) -> ApiScope:
    """`read:timesheets=See your timesheets`; the words after the first `=` are for the consent page."""
    value, _, description = text.partition("=")
    return ApiScope(value=value.strip(), description=description.strip())


def words(texts: Iterable[str]) -> tuple[str, ...]:
    """Each option may hold several, separated by spaces."""
    return tuple(dict.fromkeys(word for text in texts for word in text.split()))


def permissions(api: str | None, scopes: Iterable[str], *, option: str) -> tuple[Permission, ...]:
    """Scopes of one API; the API has to be named."""
    chosen = words(scopes)
    if chosen and api is None:
        raise click.UsageError(f"{option} needs --api: which API's scopes are they?")
    return tuple(Permission(api=ApiIdentifier(api or ""), scope=value) for value in chosen)


def api_grants(
    before: tuple[ApiGrant, ...], api: str | None, scopes: Iterable[str], *, option: str
) -> tuple[ApiGrant, ...] | None:
    """The client grants with this one replaced; None when nothing was asked."""
    chosen = words(scopes)
    if api is None:
        if chosen:
            raise click.UsageError(f"{option} needs --api: which API's scopes are they?")
        return None
    if not chosen:
        raise click.UsageError(f"--api needs {option}: what may the app ask of it?")
    others = tuple(grant for grant in before if grant.api != api)
    return (*others, ApiGrant(api=ApiIdentifier(api), scope=chosen))


def with_options(options: Iterable[Callable[[Command], Command]], command: Command) -> Command:
    """The options in their order, for commands that share them."""
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def named(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that somebody wrote; one empty text among those that may be repeated empties the list."""
    return {
        name: tuple(item for item in value if item) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value != ()
    }
