"""`python -m examples.timesheets_api --issuer http://localhost:9000 --port 9001 --data timesheets.sqlite`"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import uvicorn

from examples.timesheets_api.app import AUDIENCE, create_app
from innkeeper.resource_server import Guard


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.timesheets_api", description="The Timesheets API"
    )
    parser.add_argument("--issuer", default="http://localhost:9000", help="whose access tokens it believes")
    parser.add_argument("--audience", default=AUDIENCE, help="its own name in those tokens")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument(
        "--data", type=Path, default=Path(".innkeeper/timesheets.sqlite"), help="its database file"
    )
    parser.add_argument("--origin", action="append", help="a browser app that may call it (repeat for more)")
    options = parser.parse_args()
    options.data.parent.mkdir(parents=True, exist_ok=True)
    guard = Guard(issuer=options.issuer, audience=options.audience)
    app = create_app(guard, options.data, origins=tuple(options.origin or ["http://localhost:8001"]))
    try:
        listening = socket.create_server(("127.0.0.1", options.port))
    except OSError as cause:
        parser.error(f"port {options.port}: {cause.strerror}; choose another with --port")
    port = listening.getsockname()[1]
    print(f"Timesheets API on http://localhost:{port}, for tokens of {options.issuer}", flush=True)
    config = uvicorn.Config(app, server_header=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
