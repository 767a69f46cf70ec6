"""Rules of OAuth and OpenID Connect. No IO, no clock, no randomness."""
