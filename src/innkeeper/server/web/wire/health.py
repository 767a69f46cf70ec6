"""/healthz: the process answers. /readyz: it knows the time and could make a write durable."""

from innkeeper.server.flows.services import Services
from innkeeper.server.web.answers import secret_json
from innkeeper.server.web.http import Request, Response


async def healthz(request: Request, services: Services) -> Response:
    """Always 200 while the process serves."""
    return secret_json({"status": "ok"})


async def readyz(request: Request, services: Services) -> Response:
    """Raises `StoreUnavailable`, which is answered with 503."""
    services.clock.check()
    await services.store.probe()
    return secret_json({"status": "ready"})
