"""The store in one SQLite file: the embedded default. One process serves it; commands may write beside it."""

from innkeeper.server.storage.sqlite.store import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
