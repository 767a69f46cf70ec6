"""The operator's hooks: a Python file that the settings name, loaded once at the start."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from innkeeper.server.cli.failure import CommandFailed

if TYPE_CHECKING:
    from innkeeper.server.hooks import Hooks


def load(path: Path) -> Hooks:
    """The functions of the file. It is trusted like the server itself. Raises `CommandFailed` with the remedy."""
    import msgspec

    from innkeeper.server.hooks import Hooks

    spec = importlib.util.spec_from_file_location("innkeeper_hooks", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise CommandFailed(f"`hooks`: {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CommandFailed(f"`hooks`: {path} cannot be loaded: {type(error).__name__}: {error}") from error
    names = [field.name for field in msgspec.structs.fields(Hooks)]
    found = {name: getattr(module, name) for name in names if hasattr(module, name)}
    if not found:
        raise CommandFailed(f"`hooks`: {path} defines none of: {', '.join(names)}.")
    for name, function in found.items():
        if not inspect.iscoroutinefunction(function):
            raise CommandFailed(
                f"`hooks`: write `async def {name}` in {path}, so that it can be stopped when it takes too long."
            )
    return Hooks(**found)
