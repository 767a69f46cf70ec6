"""What a person proves themselves with."""

from datetime import datetime

import msgspec

from innkeeper.server.model.identifiers import Subject


class PasswordCredential(msgspec.Struct, frozen=True, kw_only=True):
    """An Argon2id hash in PHC string format."""

    user_id: Subject
    hash: str
    changed_at: datetime
