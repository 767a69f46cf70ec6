"""The master secret outside the database: a file of mode 0600, or the environment.

One key per line, `ID BASE64`, the current one first; the others still open what they once sealed.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from innkeeper.server.cli import private_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.secret import Secret

VARIABLE: Final = "INNKEEPER_MASTER_SECRET"
KEY_BYTES: Final = 32
_HEADER = """\
# The master secret of this Innkeeper. Keep a copy in a safe place, apart from the backups of the database:
# whoever has both can sign tokens, and without it the database cannot be used.
# One key per line, ID BASE64; the first is current, the others only open what they once sealed.
"""


def load(folder: DataFolder, environment: Mapping[str, str]) -> MasterSecret:
    """Refuses when there is none but a database exists: a new secret could not open its keys."""
    given = environment.get(VARIABLE)
    if given is not None:
        return parse(given.replace(",", "\n"), VARIABLE)
    try:
        return parse(folder.master_secret.read_text(encoding="ascii"), str(folder.master_secret))
    except FileNotFoundError:
        raise CommandFailed(
            f"The master secret is missing: put back {folder.master_secret} or set {VARIABLE}."
            f" Without it {folder.database.name} cannot be used."
        ) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{folder.master_secret}: not text.") from None


def load_or_create(folder: DataFolder, environment: Mapping[str, str]) -> MasterSecret:
    """For a first start: a fresh secret, only where there is no database yet."""
    if VARIABLE not in environment and not folder.master_secret.exists() and not folder.database.exists():
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
        private_file.create(folder.master_secret, f"{_HEADER}1 {text}\n")
    return load(folder, environment)


def parse(text: str, where: str) -> MasterSecret:
    """`where` names the place in messages; the secret itself is never repeated."""
    ring = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.replace(":", " ").split()
        if not words or words[0].startswith("#"):
            continue
        ring.append(_key(words if len(words) > 1 else ["1", *words], f"{where}, line {number}"))
    if not ring:
        raise CommandFailed(f"{where}: holds no key.")
    if len({key.key_id for key in ring}) != len(ring):
        raise CommandFailed(f"{where}: two keys have the same ID.")
    return MasterSecret(ring=tuple(ring))


def _key(words: list[str], where: str) -> MasterKey:
    try:
        key_id = int(words[0])
        value = base64.b64decode(words[1], validate=True)
    except (ValueError, binascii.Error):
        raise CommandFailed(f"{where}: expected ID BASE64.") from None
    if len(words) != 2 or not 0 <= key_id <= 255 or len(value) < KEY_BYTES:
        raise CommandFailed(
            f"{where}: expected an ID from 0 to 255 and at least {KEY_BYTES} bytes in base64."
        )
    return MasterKey(key_id=key_id, value=Secret(value))


def is_private(path: Path) -> bool:
    """Nobody but the owner may read it. Where the system has no such modes, everything is."""
    return os.name == "nt" or not path.exists() or path.stat().st_mode & 0o077 == 0
