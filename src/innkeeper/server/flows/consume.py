"""The one transition of a token request: what a grant's consumption does to the store, and what is told of it."""

from datetime import datetime
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from innkeeper.oauth.errors import InvalidGrant
from innkeeper.server.flows.fresh import new_grant_id
from innkeeper.server.flows.issue import Prepared
from innkeeper.server.flows.refresh_tokens import text_of
from innkeeper.server.flows.services import Services
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.events import (
    CodeRedeemed,
    CodeReplayed,
    DeviceRedeemed,
    Event,
    GrantOpened,
    RefreshAhead,
    RefreshOverlapped,
    RefreshOverlapSpent,
    RefreshReused,
    RefreshRotated,
    RefreshUntold,
    TokenIssued,
)
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.protocol.grant_rights import grant_of
from innkeeper.server.protocol.grants import authorization_code, device_code, jwt_bearer, refresh_token
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Nothing,
    OpenGrant,
    RedeemCode,
    RedeemDevice,
    RotateFamily,
)
from innkeeper.server.storage.outcomes import (
    AlreadyClaimed,
    Done,
    Gone,
    InDoubt,
    Overlapped,
    OverlapSpent,
    Redeemed,
    Replayed,
    Reused,
    Rotated,
    Stale,
)


class Teller(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of this request says."""

    grant_type: str
    authorization: Authorization
    now: datetime
    correlation_id: str
    ip: str

    @property
    def common(self) -> dict[str, Any]:
        """The fields that all events have."""
        user = self.authorization.user
        return {
            "at": self.now,
            "correlation_id": self.correlation_id,
            "client_id": self.authorization.client.client_id,
            "user_id": None if user is None else user.user_id,
            "ip": self.ip,
        }


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """It happened and is durable. `refresh_token` is the one that is alive now, if it is another."""

    event: Event
    refresh_token: str | None = None


def rooted(authorization: Authorization, consumption: Consumption, services: Services) -> Authorization:
    """With the id of the grant that the consumption will open, since tokens are prepared with it."""
    if not isinstance(consumption, OpenGrant):
        return authorization
    return replace(authorization, grant_id=new_grant_id(services.entropy))


async def commit(
    consumption: Consumption, prepared: Prepared, teller: Teller, attempt: Attempt, services: Services
) -> Committed | None:
    """None: something moved, decide again. Raises `InvalidGrant` when what was presented is used up."""
    match consumption:
        case Nothing():
            api = prepared.authorization.api
            event = TokenIssued(
                **teller.common,
                grant_type=teller.grant_type,
                api=None if api is None else api.identifier,
                scope=str(prepared.authorization.scope),
            )
            return await _keep(event, prepared, services)
        case RedeemCode():
            return await _redeem(consumption, prepared, teller, attempt, services)
        case RotateFamily():
            return await _rotate(consumption, prepared, teller, attempt, services)
        case RedeemDevice():
            return await _redeem_device(consumption, prepared, teller, attempt, services)
        case OpenGrant():
            return await _open(consumption, prepared, teller, attempt, services)
        case _:
            assert_never(consumption)


async def _keep(event: Event, prepared: Prepared, services: Services) -> Committed | None:
    """Nothing was used up, so nothing is written but an opaque token, which has to be known when it comes back."""
    if prepared.opaque is None:
        return Committed(event=event)
    revision = prepared.authorization.client.revision
    outcome = await services.store.access_tokens.issue(
        prepared.opaque, client_revision=revision, events=[event]
    )
    match outcome:
        case Done():
            return Committed(event=event)
        case Stale():
            return None
        case _:
            assert_never(outcome)


async def _redeem(
    redemption: RedeemCode, prepared: Prepared, teller: Teller, attempt: Attempt, services: Services
) -> Committed | None:
    about: dict[str, Any] = {**teller.common, "grant_id": redemption.grant_id}
    redeemed = CodeRedeemed(**about, scope=str(prepared.authorization.scope))
    replayed = CodeReplayed(**about)
    outcome = await services.store.codes.redeem(
        redemption.key,
        attempt=attempt,
        now=prepared.now,
        epochs=redemption.epochs,
        access_token=prepared.opaque,
        family=prepared.family,
        redeemed=[redeemed],
        replayed=[replayed],
    )
    match outcome:
        case Redeemed():
            return Committed(event=redeemed)
        case Stale():
            return None
        case Replayed():
            services.events.emit(replayed)
            raise InvalidGrant(authorization_code.REFUSED, detail="replayed: the grant is revoked")
        case Gone():
            raise InvalidGrant(authorization_code.REFUSED, detail="expired, or its grant is revoked")
        case _:
            assert_never(outcome)


async def _rotate(
    rotation: RotateFamily, prepared: Prepared, teller: Teller, attempt: Attempt, services: Services
) -> Committed | None:
    about: dict[str, Any] = {**teller.common, "grant_id": rotation.grant_id}
    api = prepared.authorization.api
    what: dict[str, Any] = {
        "api": None if api is None else api.identifier,
        "scope": str(prepared.authorization.scope),
    }
    rotated, overlapped = RefreshRotated(**about, **what), RefreshOverlapped(**about, **what)
    reused, ahead = RefreshReused(**about), RefreshAhead(**about)
    key = rotation.token.key
    if key in services.doubts:
        await services.doubts.settle(key, services.store, services.events.emit)
    try:
        outcome = await services.store.refresh_families.rotate(
            key,
            presented=rotation.token.generation,
            attempt=attempt,
            now=prepared.now,
            overlap=rotation.overlap,
            is_rotating=rotation.is_rotating,
            idle_expires_at=prepared.now + rotation.idle,
            epochs=rotation.epochs,
            was_living=rotation.was_living,
            access_token=prepared.opaque,
            rotated=[rotated],
            overlapped=[overlapped],
            reused=[reused],
            ahead=[ahead],
        )
    except InDoubt:
        services.doubts.remember(key, attempt, RefreshUntold(**about))
        raise
    match outcome:
        case Rotated(generation=generation) | Overlapped(generation=generation):
            event = rotated if isinstance(outcome, Rotated) else overlapped
            return Committed(event=event, refresh_token=_successor(rotation, generation, services))
        case Stale():
            return None
        case OverlapSpent():
            services.events.emit(RefreshOverlapSpent(**about))
            raise InvalidGrant(
                refresh_token.REFUSED, detail="the one before it, too often; nothing is revoked"
            )
        case Reused(is_ahead=is_ahead):
            services.events.emit(ahead if is_ahead else reused)
            raise InvalidGrant(refresh_token.REFUSED, detail="used before: the grant is revoked")
        case Gone():
            raise InvalidGrant(refresh_token.REFUSED, detail="expired, or its grant is revoked")
        case _:
            assert_never(outcome)


async def _redeem_device(
    redemption: RedeemDevice, prepared: Prepared, teller: Teller, attempt: Attempt, services: Services
) -> Committed | None:
    scope = str(prepared.authorization.scope)
    redeemed = DeviceRedeemed(**teller.common, grant_id=redemption.grant_id, scope=scope)
    outcome = await services.store.device_codes.redeem(
        redemption.key,
        attempt=attempt,
        now=prepared.now,
        epochs=redemption.epochs,
        access_token=prepared.opaque,
        family=prepared.family,
        events=[redeemed],
    )
    match outcome:
        case Redeemed():
            return Committed(event=redeemed)
        case Stale():
            return None
        case Gone():
            raise InvalidGrant(device_code.REFUSED, detail="used before, expired, or its grant is revoked")
        case _:
            assert_never(outcome)


def _successor(rotation: RotateFamily, generation: int, services: Services) -> str | None:
    """None when the token that was presented goes on living: the app keeps it (RFC 6749 §6)."""
    if generation == rotation.token.generation:
        return None
    return text_of(rotation.token.of_generation(generation), services)


async def _open(
    opening: OpenGrant, prepared: Prepared, teller: Teller, attempt: Attempt, services: Services
) -> Committed | None:
    authorization = prepared.authorization
    # It lasts as long as its access token; the store prolongs it for a refresh family.
    grant = grant_of(
        authorization,
        epochs=opening.epochs,
        scope=authorization.scope,
        now=prepared.now,
        expires_at=prepared.now + authorization.access_token_lifetime,
    )
    opened = GrantOpened(
        **teller.common,
        grant_id=grant.grant_id,
        grant_type=teller.grant_type,
        api=grant.api,
        scope=str(authorization.scope),
        asserted_by=None if opening.assertion is None else opening.assertion.issuer,
    )
    outcome = await _opened(grant, prepared, opening, opened, attempt, services)
    match outcome:
        case Done():
            return Committed(event=opened)
        case AlreadyClaimed():
            raise InvalidGrant(jwt_bearer.REFUSED, detail="assertion replayed")
        case Stale():
            return None
        case _:
            assert_never(outcome)


async def _opened(
    grant: Grant,
    prepared: Prepared,
    opening: OpenGrant,
    event: Event,
    attempt: Attempt,
    services: Services,
) -> Done | Stale | AlreadyClaimed:
    if opening.assertion is None:
        return await services.store.grants.open(
            grant, access_token=prepared.opaque, family=prepared.family, attempt=attempt, events=[event]
        )
    # A refresh token would outlive by far what the other issuer has said.
    assert prepared.family is None
    return await services.store.grants.open_by_assertion(
        grant, assertion=opening.assertion, access_token=prepared.opaque, attempt=attempt, events=[event]
    )
