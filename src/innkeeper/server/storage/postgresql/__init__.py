"""PostgreSQL: any number of processes and machines over one database."""

from innkeeper.server.storage.postgresql.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store"]
