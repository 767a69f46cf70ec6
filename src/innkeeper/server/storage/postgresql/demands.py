"""What the store demands of its address and of the database before it works there."""

from innkeeper.server.storage.postgresql import hosts
from innkeeper.server.storage.schema.migrations import SchemaRefused


def refuse_several_poolers(url: str) -> None:
    """Raises SchemaRefused: what is asked of a connection is no answer about the next statement behind a pooler.

    A standby behind one of them would show a token that was revoked as alive, for as long as it lags.
    """
    if hosts.are_several(url):
        raise SchemaRefused(
            "database.url names several hosts, and with database.pooler it cannot be seen which of them takes writes:"
            " give it the one address of the pooler, and let the pooler follow the primary"
        )
