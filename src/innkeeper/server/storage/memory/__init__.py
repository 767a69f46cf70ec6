"""The store in memory: for tests and for trying things out. Nothing outlives the process."""

from innkeeper.server.storage.memory.store import MemoryStore

__all__ = ["MemoryStore"]
