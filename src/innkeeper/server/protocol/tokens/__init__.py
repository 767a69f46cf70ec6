"""Claim sets, unsigned."""
