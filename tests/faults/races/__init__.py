"""Single-use things meet their rivals."""
