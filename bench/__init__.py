"""Performance measurement of Innkeeper beside node-oidc-provider. Start it with `python3 run.py bench`."""
