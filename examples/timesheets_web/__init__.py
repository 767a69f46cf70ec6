"""A regular web application that signs people in with a stock library: Authlib's client for Starlette."""
