"""Rules of proving who the person is. No IO, no clock, no randomness."""
