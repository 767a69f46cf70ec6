"""`python -m innkeeper`: the same as the `innkeeper` command."""

from __future__ import annotations


def run() -> None:
    """Load the command line late, so that importing this module costs nothing."""
    from innkeeper.server.cli.main import main

    main()


if __name__ == "__main__":
    run()
