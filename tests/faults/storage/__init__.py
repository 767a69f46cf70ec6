"""Disks and databases fail."""
