"""Faults, suite by suite: a slice in every run, all of it with `python3 run.py test --faults SUITE`."""
