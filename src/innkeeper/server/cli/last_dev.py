"""Where the last `innkeeper dev` of this installation runs, so that commands given elsewhere find it."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from innkeeper.server.cli import dev_file, private_file
from innkeeper.server.cli.failure import CommandFailed

_PATIENCE_SECONDS = 0.5


def note(folder: Path) -> None:
    """A convenience only: where the home folder cannot be written, commands need --data."""
    try:
        file = _file()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_file.replace(file, str(folder))
    except (OSError, RuntimeError):  # no home folder at all is a RuntimeError
        return


def folder() -> Path | None:
    """The folder of that server, as long as it answers."""
    try:
        noted = Path(_file().read_text(encoding="utf-8"))
    except (OSError, UnicodeError, RuntimeError):
        return None
    return noted if is_served(noted) else None


def is_served(folder: Path) -> bool:
    """Whether somebody listens where its dev.json says."""
    try:
        known = dev_file.read(folder / "dev.json")
    except (OSError, CommandFailed):
        return False
    port = urlsplit(known.issuer).port if known is not None else None
    if port is None:
        return False
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    # One file for each installation: a clone's commands do not reach for the server of another clone.
    installation = hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]
    return Path(state) / "innkeeper" / f"last-dev-{installation}"
