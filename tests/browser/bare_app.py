"""A page with nothing of ours on it: a stock library, and the test that calls it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = b'<!doctype html><title>app</title><script src="/bundle.js"></script>'


def blank_pages(bundle: Path) -> ThreadingHTTPServer:
    """Every address is the same page, which loads the bundle."""
    script = bundle.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_script = self.path == "/bundle.js"
            body = script if is_script else PAGE
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # the page has gone on to another one
                self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            """Quiet."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@contextmanager
def running(server: ThreadingHTTPServer) -> Generator[str]:
    """Its origin."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
