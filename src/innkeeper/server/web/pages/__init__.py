"""Pages for people: sign-in, consent, error, set-up, notices; rendered on the server, no JavaScript."""
