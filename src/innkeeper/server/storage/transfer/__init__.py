"""Carrying a whole database elsewhere: into a backup file, back from one, and from one store to another.

All three are one copy, table by table and row by row, between two ends that speak the same few words.
"""
