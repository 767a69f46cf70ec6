"""Clocks step and keys rotate."""
