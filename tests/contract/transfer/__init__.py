"""Laws of carrying a database, whatever its ends are."""
