"""The registry of response modes. A new one is a file beside this and a line in `RESPONSE_MODES`."""

from innkeeper.server.protocol.response_modes.base import (
    Delivery,
    Message,
    Redirection,
    ResponseMode,
    SelfPostingForm,
)
from innkeeper.server.protocol.response_modes.form_post import FormPost
from innkeeper.server.protocol.response_modes.fragment import Fragment
from innkeeper.server.protocol.response_modes.query import Query
from innkeeper.server.protocol.response_modes.web_message import WebMessage

RESPONSE_MODES: tuple[ResponseMode, ...] = (Query(), Fragment(), FormPost(), WebMessage())
_BY_NAME = {mode.name: mode for mode in RESPONSE_MODES}

__all__ = ["RESPONSE_MODES", "Delivery", "Message", "Redirection", "ResponseMode", "SelfPostingForm", "named"]


def named(name: str) -> ResponseMode | None:
    """The mode of this name."""
    return _BY_NAME.get(name)
