"""The primary is lost under load."""
