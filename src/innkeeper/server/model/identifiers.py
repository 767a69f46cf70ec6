"""The identifiers that records carry. Each is its own type, so one cannot stand in for another."""

from typing import NewType

ClientId = NewType("ClientId", str)
Subject = NewType("Subject", str)
"""A person's `sub`: random, never reassigned, never the e-mail (OIDC Core §8)."""
ApiIdentifier = NewType("ApiIdentifier", str)
DirectoryName = NewType("DirectoryName", str)
IssuerName = NewType("IssuerName", str)
"""The `iss` of somebody else's assertions."""
GrantId = NewType("GrantId", str)
SessionId = NewType("SessionId", str)
"""The public `sid` of a session, not the secret in the cookie."""
KeyId = NewType("KeyId", str)
HandleKey = NewType("HandleKey", bytes)
"""What the store keeps of a handle: its time-ordered prefix and the digest of its random part."""
Attempt = NewType("Attempt", bytes)
"""128 random bits, made once per request, by which a retried transition recognises its own success."""
