"""Carrying a database elsewhere: backup, restore, and the move to another store."""
