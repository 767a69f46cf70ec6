"""What every grant type promises to the token flow."""
