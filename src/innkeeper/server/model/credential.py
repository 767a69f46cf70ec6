"""What a person proves themselves with."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from innkeeper.server.model.identifiers import Subject


class PasswordCredential(msgspec.Struct, frozen=True, kw_only=True):
    """An Argon2id hash in PHC string format."""

    user_id: Subject
    hash: str
    changed_at: datetime


class Unproved(msgspec.Struct, frozen=True, kw_only=True):
    """A password that opens nothing. `wrong` is also for nobody's name and for a person without a password.

    `disabled` had the right password; when `throttled`, none was looked at.
    """

    problem: Literal["wrong", "disabled", "throttled"]
    retry_after: timedelta | None = None
