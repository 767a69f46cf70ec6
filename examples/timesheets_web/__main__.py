"""`python -m examples.timesheets_web`, or `--app paycheck --port 8002` for the third-party app.

Credentials come from the environment (INNKEEPER_ISSUER, CLIENT_ID, CLIENT_SECRET), or from the `dev.json`
that `innkeeper dev` writes. It needs Authlib, so run it in the environment of `python3 run.py test`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import uvicorn

from examples.timesheets_web.app import SCOPE, Settings, create_app


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.timesheets_web", description="The Timesheets web app"
    )
    parser.add_argument("--app", default="timesheets-web", help="its client_id")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--scope", default=SCOPE, help="what it asks for")
    parser.add_argument("--api", default="http://localhost:9001", help="where the Timesheets API lives")
    parser.add_argument(
        "--dev", type=Path, default=Path(".innkeeper/dev.json"), help="the file of `innkeeper dev`"
    )
    options = parser.parse_args()
    try:
        issuer, client_id, client_secret = credentials(options.app, options.dev)
    except LookupError as cause:
        parser.error(str(cause))
    settings = Settings(
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        redirect_uri=f"http://localhost:{options.port}/auth/callback",
        scope=options.scope,
        api_url=options.api,
    )
    print(f"{client_id} on http://localhost:{options.port}", flush=True)
    uvicorn.run(create_app(settings), host="127.0.0.1", port=options.port, log_level="warning")


def credentials(app: str, dev: Path) -> tuple[str, str, str]:
    """Issuer, client_id and secret; LookupError says where they were looked for."""
    environment = [os.environ.get(name, "") for name in ("INNKEEPER_ISSUER", "CLIENT_ID", "CLIENT_SECRET")]
    if all(environment):
        return environment[0], environment[1], environment[2]
    try:
        facts = json.loads(dev.read_bytes())
    except OSError:
        raise LookupError(
            f"{dev} is not there: start `python3 run.py dev`, or set CLIENT_ID and so on"
        ) from None
    for known in facts["apps"]:
        if known["client_id"] == app and "client_secret" in known:
            return facts["issuer"], app, known["client_secret"]
    raise LookupError(f"{dev} has no app {app} with a secret")


if __name__ == "__main__":
    main()
