"""/healthz: the process answers. /readyz: it knows the time, could make a write durable, and is not about to end."""

from innkeeper.server.flows.services import Services
from innkeeper.server.web.answers import secret_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.refusals import RETRY_AFTER


async def healthz(request: Request, services: Services) -> Response:
    """Always 200 while the process serves."""
    return secret_json({"status": "ok"})


async def readyz(request: Request, services: Services) -> Response:
    """503 for a reason of this node's own; raises `StoreUnavailable`, which is answered with 503 too."""
    if reasons := services.readiness.reasons:
        return secret_json({"status": ", ".join(reasons)}, status=503).with_headers(RETRY_AFTER)
    services.clock.check()
    await services.store.probe()
    return secret_json({"status": "ready"})
