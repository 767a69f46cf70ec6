"""Files for the owner alone, replaced as a whole: a reader sees the old text or the new one, never half."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Final

_CANNOT_FLUSH: Final = (errno.EINVAL, errno.ENOTSUP)


def replace(path: Path, text: str) -> None:
    """Mode 0600 from the first byte on, on disk before it takes its name, and so is the name afterwards."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def create(path: Path, text: str) -> None:
    """FileExistsError when there is one: two first starts at once must not take each other's place."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """The names in it onto the disk. Some systems open no folder, and some disks flush none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(descriptor)
