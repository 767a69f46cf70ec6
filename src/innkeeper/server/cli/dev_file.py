"""dev.json: what `innkeeper dev` shows on its screen, for programs. Passwords and secrets live here alone."""

from pathlib import Path

import msgspec

from innkeeper.server.cli import private_file
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.config import LegacyFlows


class DevPerson(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`password` is absent once somebody has set another one."""

    username: str
    email: str | None
    password: str | None = None
    roles: tuple[str, ...]


class DevApp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`client_secret` is absent for public apps."""

    client_id: str
    client_secret: str | None = None
    type: str
    redirect_uris: tuple[str, ...]


class DevApi(msgspec.Struct, frozen=True, kw_only=True):
    """An API of the example world."""

    identifier: str
    scopes: tuple[str, ...]


class DevFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    issuer: str
    people: tuple[DevPerson, ...]
    apps: tuple[DevApp, ...]
    apis: tuple[DevApi, ...]
    legacy: LegacyFlows = LegacyFlows()
    """As the server runs: commands have to know it too."""

    def secret_of(self, client_id: str) -> str | None:
        return next((app.client_secret for app in self.apps if app.client_id == client_id), None)


def read(path: Path) -> DevFile | None:
    """None when there is none yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=DevFile)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise CommandFailed(
            f"{path}: {error}. Delete it: the next `innkeeper dev` writes it anew."
        ) from error


def write(path: Path, content: DevFile) -> None:
    """Mode 0600, replaced as a whole."""
    private_file.replace(path, msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
