"""Tables grow large."""
