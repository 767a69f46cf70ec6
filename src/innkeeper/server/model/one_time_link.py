"""A link that works once, for what must survive a change of browser."""

from datetime import datetime
from typing import Literal

import msgspec

from innkeeper.server.model.identifiers import HandleKey


class OneTimeLink(msgspec.Struct, frozen=True, kw_only=True):
    """Its secret is a handle; the row keeps the digest."""

    key: HandleKey
    purpose: Literal["first_administrator"]
    expires_at: datetime
