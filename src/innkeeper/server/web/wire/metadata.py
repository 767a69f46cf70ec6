"""Discovery and JWKS: made from memory, so they answer while the store is away."""

from typing import Final

from innkeeper.server.flows.services import Services
from innkeeper.server.protocol import discovery
from innkeeper.server.web import cors
from innkeeper.server.web.answers import public_document
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.locale import LOCALES

# Short against the day that a key is published before it signs.
MAX_AGE_S: Final = 300


async def document(request: Request, services: Services) -> Response:
    """/.well-known/openid-configuration and /.well-known/oauth-authorization-server."""
    metadata = discovery.metadata(
        services.settings.issuer, services.grants, LOCALES, services.settings.legacy
    )
    return public_document(metadata.to_json(), max_age_s=MAX_AGE_S)


async def jwks(request: Request, services: Services) -> Response:
    """/.well-known/jwks.json (RFC 7517): public members only."""
    return public_document(services.keys.jwks(services.clock.now()), max_age_s=MAX_AGE_S)


async def options(request: Request, services: Services) -> Response:
    """CORS preflight: these documents are for everybody."""
    return cors.public_preflight(("GET",))
