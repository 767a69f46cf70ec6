"""Which directory a name is looked up in, and how its names are kept apart from those of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory
from innkeeper.server.model.identifiers import DirectoryName

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# No normal form holds a control character, so nobody can type their way into another directory.
_SEPARATOR: Final = "\x1f"


def qualified(directory: DirectoryName, identifier: str) -> str:
    """The name under which the store keeps an identifier: the same one may stand in every directory."""
    return identifier if directory == DEFAULT_DIRECTORY else directory + _SEPARATOR + identifier


def bare(qualified_name: str) -> str:
    """What a person typed of it."""
    return qualified_name.rpartition(_SEPARATOR)[2]


def of_address(identifier: str | None, directories: Mapping[DirectoryName, Directory]) -> DirectoryName:
    """By the domain of an e-mail address in its normal form; the default one for every other name."""
    _, at, domain = (identifier or "").rpartition("@")
    found = (directory.name for directory in directories.values() if domain in directory.email_domains)
    return next(found, DEFAULT_DIRECTORY) if at else DEFAULT_DIRECTORY


def is_name(text: str) -> bool:
    """What a directory may be called: it travels in requests and stands on command lines."""
    return _NAME.fullmatch(text) is not None
