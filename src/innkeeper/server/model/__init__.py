"""Nouns: frozen records without behaviour beyond derived properties. One file per noun."""
