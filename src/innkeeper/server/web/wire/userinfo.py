"""GET and POST /userinfo (OIDC Core §5.3, RFC 6750)."""

from innkeeper.oauth.bearer import bearer_token, challenge
from innkeeper.oauth.errors import InvalidRequest, OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import userinfo as flow
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.web.answers import refused, secret_json, secret_jwt
from innkeeper.server.web.bodies import FORM, form
from innkeeper.server.web.cors import for_origin
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.wire.origins import allowed_for, is_registered, preflight


async def userinfo(request: Request, services: Services) -> Response:
    """The claims, or a challenge that says what is wrong (RFC 6750 §3)."""
    client: Client | None = None
    try:
        token = _token(request)
        if token is None:
            response = secret_json({}, status=401).with_headers(
                (b"www-authenticate", challenge(None).encode())
            )
        else:
            answer = await flow.answer(token, services)
            client = answer.client
            response = secret_json(answer.claims) if answer.signed is None else secret_jwt(answer.signed)
    except OAuthError as error:
        response = _refused(error)
    origin = request.header(b"origin")
    if origin is None:
        return response
    return response.with_headers(*await _cors(origin, client, services))


async def options(request: Request, services: Services) -> Response:
    """CORS preflight."""
    return await preflight(request, services, methods=("GET", "POST"))


def _token(request: Request) -> str | None:
    """From the header or a form body, never from the query (RFC 9700 §4.3.2); from both is an error (RFC 6750 §2)."""
    if "access_token" in Parameters.from_query(request.query).names:
        raise InvalidRequest("The access token belongs in the Authorization header, not in the query.")
    in_header = bearer_token(request.header_values(b"authorization"))
    in_body = None
    if request.method == "POST" and (request.header(b"content-type") or "").startswith(FORM):
        body = form(request)
        if "access_token" in body.repeated:
            raise InvalidRequest("access_token was sent more than once.")
        in_body = body.get("access_token")
    if in_header is not None and in_body is not None:
        raise InvalidRequest("The access token was sent twice.")
    return in_header if in_header is not None else in_body


def _refused(error: OAuthError) -> Response:
    scope = "openid" if error.status == 403 else None
    return refused(error).with_headers((b"www-authenticate", challenge(error, scope=scope).encode()))


async def _cors(origin: str, client: Client | None, services: Services) -> tuple[tuple[bytes, bytes], ...]:
    """An error cannot name its client, so every client of this origin may read it."""
    if client is not None:
        return allowed_for(origin, client)
    return for_origin(origin, allowed=await is_registered(origin, services))
