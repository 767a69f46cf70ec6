"""The only door to cryptography: keys, signatures, seals and hashes (RFC 7515, 7517, 7518, 7519)."""
