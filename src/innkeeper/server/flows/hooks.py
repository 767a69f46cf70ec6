"""Running the operator's hooks: inside a time limit, and closed when they fail."""

import asyncio
from typing import Final

from msgspec.structs import replace

from innkeeper.oauth.errors import AccessDenied, InteractionRequired
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows.services import Services
from innkeeper.server.hooks import Claims, Denied, InteractionNeeded, PreToken
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.events import HookFailed
from innkeeper.server.protocol import custom_claims
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS

LIMIT_S: Final = 2.0
# One text for every way to fail: what went wrong inside is the operator's business.
FAILED: Final = "A rule of this server's operator could not decide about this request."


async def pre_token(
    authorization: Authorization, services: Services, *, grant_type: str, address: str, correlation_id: str
) -> Authorization:
    """With what the hook adds and without what it takes away. Raises `AccessDenied`, `InteractionRequired`;
    nothing is consumed by either."""
    hook = services.hooks.pre_token
    if hook is None:
        return authorization
    try:
        async with asyncio.timeout(LIMIT_S):
            answer = await hook(_asked(authorization, grant_type, address))
        return authorization if answer is None else _applied(authorization, answer)
    except InteractionNeeded as needed:
        raise InteractionRequired(needed.reason, detail="the pre_token hook wants the person") from needed
    except Denied as denied:
        raise AccessDenied(denied.reason, detail="the pre_token hook refused") from denied
    except Exception as error:  # whatever it is, it is not a reason to let somebody in
        detail = f"no answer in {LIMIT_S:g} s" if isinstance(error, TimeoutError) else _described(error)
        services.events.emit(
            HookFailed(
                at=services.clock.now(),
                correlation_id=correlation_id,
                client_id=authorization.client.client_id,
                user_id=None if authorization.user is None else authorization.user.user_id,
                ip=address,
                hook="pre_token",
                detail=detail,
            )
        )
        raise AccessDenied(FAILED, detail=f"the pre_token hook failed: {detail}") from error


def _asked(authorization: Authorization, grant_type: str, address: str) -> PreToken:
    authentication = authorization.authentication
    return PreToken(
        grant_type=grant_type,
        client_id=authorization.client.client_id,
        is_first_party=authorization.client.is_first_party,
        user=authorization.user,
        api=None if authorization.api is None else authorization.api.identifier,
        scope=tuple(authorization.scope),
        auth_time=None if authentication is None else authentication.auth_time,
        amr=() if authentication is None else authentication.amr,
        acr=None if authentication is None else authentication.acr,
        address=address,
    )


def _applied(authorization: Authorization, answer: Claims) -> Authorization:
    scope = authorization.scope
    if answer.scope is not None:
        scope = Scope(answer.scope)
        if not scope <= authorization.scope:
            raise custom_claims.ClaimsRefused("a hook can take scopes away, never add any")
    return replace(
        authorization,
        scope=scope,
        begins_family=authorization.begins_family and OFFLINE_ACCESS in scope,
        access_token_claims=custom_claims.check(answer.access_token),
        id_token_claims=custom_claims.check(answer.id_token),
    )


def _described(error: Exception) -> str:
    """Where it broke and how, never with what values: a hook's message may repeat a person's data."""
    if isinstance(error, custom_claims.ClaimsRefused):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    line = "" if frame is None else f" in line {frame.tb_lineno}"
    return f"{type(error).__name__}{line}"
