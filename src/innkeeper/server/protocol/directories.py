"""Directories as requests name them: `connection` at the authorization endpoint, `realm` at the token endpoint."""

from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.model.registry import RegistrySnapshot


def directory_named(name: str, registry: RegistrySnapshot) -> DirectoryName | None:
    """The directory of this name, byte for byte; None when there is none."""
    wanted = DirectoryName(name)
    return wanted if wanted == DEFAULT_DIRECTORY or wanted in registry.directories else None
