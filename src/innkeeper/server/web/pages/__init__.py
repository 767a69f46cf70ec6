"""Pages for people: rendered on the server, without JavaScript but for the two scripts of `scripts.py`."""
