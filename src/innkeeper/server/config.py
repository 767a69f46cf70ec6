"""Settings: one TOML file and the environment, parsed once, frozen; unknown keys are refused with their path."""

import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from innkeeper.server.model import database_url

SHORTEST_USER_CODE: Final = {"letters": 8, "digits": 9}
LONGEST_USER_CODE: Final = 16
LONGEST_DRAIN_S: Final = 300
FEWEST_UNDER_WAY: Final = 4
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsRefused(Exception):
    """The settings cannot be used; the message names the path and the remedy."""


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens. `trusted_proxies` are addresses or networks whose forwarded headers are believed."""

    host: str = "127.0.0.1"
    port: int = 9000
    certificate: str | None = None
    private_key: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    requests_under_way: int = 512
    """In one process; beyond it the answer is 503 at once."""
    drain_s: int = 2
    """From SIGTERM until the sockets close: `/readyz` says 503, and everybody is still served."""


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where everything is kept: without `url` in the SQLite file of the data folder."""

    url: str | None = None
    """postgresql://user@host1,host2/name. A password belongs into a passfile or the environment."""
    pooler: bool = False
    """Connections go through PgBouncer in transaction mode."""
    connections: int = 10
    """To the database, from each process."""
    batching: bool = False
    """Refresh tokens that are used at the same time are rotated by one statement: PostgreSQL itself only."""

    def __repr__(self) -> str:
        """Without the url: it may hold a password."""
        return f"Database(pooler={self.pooler}, connections={self.connections}, batching={self.batching})"


class Lifetimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All in seconds."""

    authorization_code_s: int = 60
    userinfo_access_token_s: int = 900
    front_channel_access_token_s: int = 300
    id_token_s: int = 3600
    session_idle_s: int = 3 * 86_400
    session_absolute_s: int = 30 * 86_400
    device_code_s: int = 900
    device_interval_s: int = 5
    interaction_s: int = 3600
    interaction_after_sign_in_s: int = 600
    signing_key_s: int = 90 * 86_400
    signing_key_published_ahead_s: int = 86_400


class SignInLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Attempts before a password is no longer looked at, per window of `window_s` seconds."""

    attempts_per_address_and_account: int = 10
    attempts_per_account: int = 100
    attempts_per_address: int = 300
    window_s: int = 900
    password_workers: int = 2
    password_queue: int = 64
    password_minimum_length: int = 12


class DeviceCodes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User codes, and how often wrong ones may be typed, per window of `window_s` seconds (RFC 8628 §5.1, §6.1)."""

    alphabet: Literal["letters", "digits"] = "letters"
    length: int = 8
    wrong_codes_per_address: int = 10
    wrong_codes_per_person: int = 10
    wrong_codes: int = 300
    starts_per_address: int = 100
    window_s: int = 900


class LegacyFlows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What new apps should not use (RFC 9700 §2.1.2, §2.4). Each is switched on here and at the app, or it is off."""

    password: bool = False
    """The password grants: an app takes the password itself."""
    implicit: bool = False
    """The response type `id_token`: signed in without a code."""
    front_channel_access_tokens: bool = False
    """Every response type with `token`: access tokens that pass through the browser's address bar."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator decides. `dev` is set by `innkeeper dev` alone."""

    issuer: str
    data: str = "."
    default_audience: str | None = None
    listen: Listen = Listen()
    database: Database = Database()
    lifetimes: Lifetimes = Lifetimes()
    sign_in: SignInLimits = SignInLimits()
    device: DeviceCodes = DeviceCodes()
    legacy: LegacyFlows = LegacyFlows()
    hooks: str | None = None
    dev: bool = False

    @property
    def is_secure(self) -> bool:
        """The issuer is https: cookies get `Secure` and the `__Host-` prefix."""
        return self.issuer.startswith("https://")


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """The file, overlaid by `INNKEEPER_*` (`INNKEEPER_LISTEN__PORT=9001` is `listen.port`)."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsRefused(f"{path} does not exist: run `innkeeper init` first") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{path}: {error}") from error
    return parse(_overlay(document, environment))


def parse(document: Mapping[str, Any]) -> Settings:
    """Raises `SettingsRefused` with the path of what is wrong."""
    if "dev" in document:
        raise SettingsRefused("dev: cannot be set; use `innkeeper dev`")
    try:
        settings = msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsRefused(str(error)) from error
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """What types cannot say: the issuer's form, and that plain http stays on this machine."""
    _check_issuer(settings.issuer)
    for network in settings.listen.trusted_proxies:
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            raise SettingsRefused(f"listen.trusted_proxies: {error}") from error
    if settings.listen.requests_under_way < FEWEST_UNDER_WAY:
        raise SettingsRefused(f"listen.requests_under_way: at least {FEWEST_UNDER_WAY}")
    if not 0 <= settings.listen.drain_s <= LONGEST_DRAIN_S:
        raise SettingsRefused(f"listen.drain_s: 0 to {LONGEST_DRAIN_S} seconds")
    _check_database(settings.database)
    shortest = SHORTEST_USER_CODE[settings.device.alphabet]
    if not shortest <= settings.device.length <= LONGEST_USER_CODE:
        raise SettingsRefused(
            f"device.length: {shortest} to {LONGEST_USER_CODE} {settings.device.alphabet};"
            " a shorter code can be guessed"
        )
    if settings.lifetimes.device_interval_s < 1:
        raise SettingsRefused("lifetimes.device_interval_s: at least 1 second")
    if (settings.listen.certificate is None) != (settings.listen.private_key is None):
        raise SettingsRefused("listen.certificate and listen.private_key go together")


def _check_database(database: Database) -> None:
    try:
        if database.url is not None:
            database_url.split(database.url)
    except database_url.UrlRefused as error:
        raise SettingsRefused(f"database.url: {error}") from None
    if database.connections < 2:
        raise SettingsRefused("database.connections: at least 2")


def _check_issuer(issuer: str) -> None:
    """RFC 8414 §2: https, no query, no fragment; http only for this machine."""
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise SettingsRefused(f"issuer: {error}") from error
    if (
        parts.query
        or parts.fragment
        or "?" in issuer
        or "#" in issuer
        or parts.username is not None
        or not host
    ):
        raise SettingsRefused("issuer: an URL of scheme, host, optional port and path, nothing else")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise SettingsRefused("issuer: plain http is for this machine only; use https")
    if parts.scheme not in ("http", "https"):
        raise SettingsRefused("issuer: use https")
    if parts.path not in ("", "/"):
        raise SettingsRefused("issuer: a path is not supported; give Innkeeper a host name of its own")


def _overlay(document: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    for name, value in environment.items():
        if not name.startswith("INNKEEPER_") or name in NOT_SETTINGS:
            continue
        *sections, key = name.removeprefix("INNKEEPER_").lower().split("__")
        target = document
        for section in sections:
            target = target.setdefault(section, {})
        target[key] = [part.strip() for part in value.split(",") if part.strip()] if key in LISTS else value
    return document


LISTS = frozenset({"trusted_proxies"})
NOT_SETTINGS = frozenset(
    {
        "INNKEEPER_MASTER_SECRET",
        "INNKEEPER_DATA",
        "INNKEEPER_FORBID_SKIPS",
        "INNKEEPER_CONFIG",
        "INNKEEPER_PROGRAM",
    }
)
