"""`python -m examples.timesheets_spa --bundle bundle.js`: the pages, their settings, and the bundled script.

The bundle is made of `src/main.js` by esbuild, where oidc-client-ts is installed:
`esbuild src/main.js --bundle --format=iife --outfile=bundle.js`.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "pages"


class Handler(SimpleHTTPRequestHandler):
    """Files of `pages`, and two that are made elsewhere."""

    def __init__(self, *arguments: Any, config: dict[str, str], bundle: Path, **named: Any) -> None:
        self._made = {
            "/config.json": ("application/json", json.dumps(config).encode()),
            "/bundle.js": ("text/javascript", bundle.read_bytes()),
        }
        super().__init__(*arguments, directory=str(PAGES), **named)

    def do_GET(self) -> None:
        if self.path not in self._made:
            super().do_GET()
            return
        kind, body = self._made[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Addresses of callbacks hold codes, so they are not written down."""


def server(config: dict[str, str], bundle: Path, port: int = 8001) -> ThreadingHTTPServer:
    """`config` holds issuer, client_id, scope, api, and audience if a token for the API is wanted."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, config=config, bundle=bundle))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.timesheets_spa", description="The Timesheets browser app"
    )
    parser.add_argument("--issuer", default="http://localhost:9000")
    parser.add_argument("--client-id", default="timesheets-spa")
    parser.add_argument("--scope", default="openid profile email")
    parser.add_argument("--audience", default="", help="the API's name, to get an access token for it")
    parser.add_argument("--api", default="http://localhost:9001", help="where the Timesheets API lives")
    parser.add_argument("--bundle", type=Path, required=True, help="the script that esbuild made")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    names = ("issuer", "client_id", "scope", "audience", "api")
    with server({name: getattr(options, name) for name in names}, options.bundle, options.port) as running:
        print(f"Timesheets browser app on http://localhost:{running.server_address[1]}", flush=True)
        running.serve_forever()


if __name__ == "__main__":
    main()
