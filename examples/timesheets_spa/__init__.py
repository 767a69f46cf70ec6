"""A single-page application that signs people in with a stock library: oidc-client-ts."""
