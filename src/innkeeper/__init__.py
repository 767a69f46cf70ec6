"""Innkeeper: an OAuth 2.1 and OpenID Connect authorization server with its client and API sides."""

__version__ = "0.1.0"
