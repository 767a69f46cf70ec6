"""What happens: load, decide, commit, tell. One module per verb; the only callers of store transitions."""
