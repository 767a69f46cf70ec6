"""More than a node can do, and restarts under load."""
