"""Factors: what a person proves themselves with."""
