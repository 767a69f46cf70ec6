"""innkeeper.toml: every setting of `config.Settings` with its default and a line that explains it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from innkeeper.server.config import Settings


class Explained(NamedTuple):
    """A setting as the file and docs/operate.md show it. `example` stands in for a default of None."""

    path: str
    default: Any
    text: str
    example: Any


EXPLANATIONS: Final[dict[str, tuple[str, Any]]] = {
    "issuer": (
        "The address of this server, byte for byte as it stands in tokens. https, no slash at its end.",
        None,
    ),
    "data": ("The data folder, seen from this file: database and master secret.", None),
    "default_audience": (
        "The API of requests that name none. Without it they get a token for userinfo.",
        "https://api.example.com",
    ),
    "hooks": (
        "A Python file with the operator's own rules for tokens, seen from this file.",
        "hooks.py",
    ),
    "listen.host": ("The address to listen on. Behind a proxy on this machine leave it.", None),
    "listen.port": ("The port to listen on.", None),
    "listen.certificate": (
        "TLS without a proxy: the certificate chain, PEM.",
        "/etc/innkeeper/fullchain.pem",
    ),
    "listen.private_key": ("TLS without a proxy: the certificate's key, PEM.", "/etc/innkeeper/privkey.pem"),
    "listen.trusted_proxies": (
        "Addresses or networks whose X-Forwarded-For is believed. Empty: every forwarded header is ignored.",
        None,
    ),
    "listen.requests_under_way": (
        "Requests that one process works on at once; beyond that the answer is 503 with Retry-After.",
        None,
    ),
    "listen.drain_s": (
        "After SIGTERM /readyz answers 503 this long before the sockets close: time for proxies to turn away.",
        None,
    ),
    "database.url": (
        "PostgreSQL instead of the SQLite file. The password belongs into a passfile or PGPASSWORD.",
        "postgresql://innkeeper@db1.example.com,db2.example.com/innkeeper",
    ),
    "database.pooler": ("Connections go through PgBouncer in transaction mode.", None),
    "database.connections": ("Connections to PostgreSQL, from each process.", None),
    "database.batching": (
        "Refresh tokens used at the same time share one statement; not for engines other than PostgreSQL itself.",
        None,
    ),
    "lifetimes.authorization_code_s": ("Seconds from the redirect to the token request.", None),
    "lifetimes.userinfo_access_token_s": (
        "Access tokens without an API; those of APIs have their own.",
        None,
    ),
    "lifetimes.front_channel_access_token_s": (
        "Access tokens that pass through the browser's address bar; never longer than the API's own.",
        None,
    ),
    "lifetimes.id_token_s": ("ID tokens.", None),
    "lifetimes.session_idle_s": ("A browser stays signed in this long without use.", None),
    "lifetimes.session_absolute_s": ("A browser stays signed in this long at most.", None),
    "lifetimes.device_code_s": (
        "The time to type the code that a device shows, and to allow the device.",
        None,
    ),
    "lifetimes.device_interval_s": ("How long a device waits between two polls.", None),
    "lifetimes.interaction_s": ("The time to sign in, from the app's request on.", None),
    "lifetimes.interaction_after_sign_in_s": ("The time to answer what comes after signing in.", None),
    "lifetimes.signing_key_s": ("How long a signing key signs.", None),
    "lifetimes.signing_key_published_ahead_s": ("How long the next key is published before it signs.", None),
    "sign_in.attempts_per_address_and_account": (
        "Wrong passwords for one account from one address, per window.",
        None,
    ),
    "sign_in.attempts_per_account": ("Wrong passwords for one account from anywhere, per window.", None),
    "sign_in.attempts_per_address": ("Wrong passwords from one address for any account, per window.", None),
    "sign_in.window_s": ("The window of these limits.", None),
    "sign_in.password_workers": ("Passwords checked at once; never more than there are cores.", None),
    "sign_in.password_queue": ("Passwords that may wait; beyond that the answer is 503.", None),
    "sign_in.password_minimum_length": ("Characters of a new password.", None),
    "device.alphabet": ("What the codes that devices show are made of: letters or digits.", None),
    "device.length": ("How many of them, at least 8 letters or 9 digits.", None),
    "device.wrong_codes_per_address": ("Wrong codes from one address, per window.", None),
    "device.wrong_codes_per_person": ("Wrong codes by somebody who is signed in, per window.", None),
    "device.wrong_codes": ("Wrong codes by all who are not signed in, per window.", None),
    "device.starts_per_address": ("Codes that devices at one address may ask for, per window.", None),
    "device.window_s": ("The window of these limits.", None),
    "legacy.password": ("The password grants: apps take the password themselves. Not for new apps.", None),
    "legacy.implicit": ("The response type id_token: signed in without a code. Not for new apps.", None),
    "legacy.front_channel_access_tokens": (
        "Response types with token: access tokens in the address bar. Not for new apps.",
        None,
    ),
}
NOT_IN_FILE: Final = frozenset({"dev"})


def explained() -> list[Explained]:
    """Every setting, sections after the plain ones. KeyError for one without its explanation."""
    found = list(_fields(Settings, ""))
    found.sort(key=lambda setting: setting.path.count("."))
    return found


def text(issuer: str, database: str | None = None) -> str:
    """The whole file. The issuer is set, and the database's url if there is one; the rest is commented out."""
    known = {"issuer": issuer} | ({} if database is None else {"database.url": database})
    lines = [
        "# Settings of Innkeeper. What is commented out shows the default.",
        "# The environment overrules this file: INNKEEPER_LISTEN__PORT=9001 is `port` in [listen].",
    ]
    section = ""
    for setting in explained():
        group, _, name = setting.path.rpartition(".")
        if group != section:
            section = group
            lines += ["", f"[{section}]"]
        lines += ["", f"# {setting.text}"] if not section else [f"# {setting.text}"]
        if setting.path in known:
            lines.append(f"{name} = {toml(known[setting.path])}")
        else:
            lines.append(
                f"# {name} = {toml(setting.example if setting.default is None else setting.default)}"
            )
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it: JSON's strings, numbers, booleans and arrays are TOML's too."""
    return msgspec.json.encode(value).decode()


def _fields(record: type[msgspec.Struct], prefix: str) -> list[Explained]:
    found = []
    hints = get_type_hints(record)
    for field in msgspec.structs.fields(record):
        path = prefix + field.name
        kind = hints[field.name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += _fields(kind, f"{path}.")
        elif path not in NOT_IN_FILE:
            words, example = EXPLANATIONS[path]
            default = None if field.default is msgspec.NODEFAULT else field.default
            found.append(Explained(path, default, words, example))
    return found
