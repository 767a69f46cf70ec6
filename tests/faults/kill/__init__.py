"""The server dies at any moment."""
