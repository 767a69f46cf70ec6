"""The event log: a low floor that the rules cannot reach."""
