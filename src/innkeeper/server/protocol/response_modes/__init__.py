"""The registry of response modes."""

from innkeeper.server.protocol.response_modes.base import ResponseMode
from innkeeper.server.protocol.response_modes.query import Query

RESPONSE_MODES: tuple[ResponseMode, ...] = (Query(),)
_BY_NAME = {mode.name: mode for mode in RESPONSE_MODES}


def named(name: str) -> ResponseMode | None:
    """The mode of this name."""
    return _BY_NAME.get(name)
