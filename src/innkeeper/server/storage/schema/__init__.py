"""The schema: numbered forward-only migrations in one portable SQL dialect, filled in by each backend."""
