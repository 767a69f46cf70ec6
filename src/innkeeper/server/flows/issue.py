"""Tokens from an authorization: what is stored is prepared before the transition, what is signed comes after it."""

from collections.abc import Container
from datetime import datetime, timedelta

import msgspec

from innkeeper.jose import base64url
from innkeeper.jose.jwt import Signer
from innkeeper.server.flows.fresh import new_handle
from innkeeper.server.flows.refresh_tokens import new_family
from innkeeper.server.flows.services import Services
from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.discovery import userinfo_endpoint
from innkeeper.server.protocol.tokens import access_token, id_token


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 6749 §5.1; `scope` always says what was granted."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    id_token: str | None = None
    refresh_token: str | None = None
    issued_token_type: str | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Chosen and loaded before anything is consumed, so that a missing key costs nobody a code."""

    authorization: Authorization
    now: datetime
    grant_type: str
    access_signer: Signer | None
    id_signer: Signer | None
    opaque_text: str | None
    opaque: OpaqueAccessToken | None
    refresh_text: str | None
    family: RefreshFamily | None


def prepare(
    authorization: Authorization,
    services: Services,
    now: datetime,
    *,
    grant_type: str = "",
    wanted: Container[str] = ("token", "id_token"),
) -> Prepared:
    """Without an API the access token is opaque and good for userinfo only (R-AZ9, R-AT2).

    `wanted` is what leaves: at the token endpoint everything, at the authorization endpoint its response type.
    """
    api, client = authorization.api, authorization.client
    # A person's token without a grant could not be ended.
    assert authorization.user is None or authorization.grant_id is not None
    text, record, signer = None, None, None
    if "token" in wanted:
        if api is None or api.token_format == "opaque":
            text, record = _new_opaque(authorization, services, now)
        else:
            signer = services.keys.signer(api.signing_alg, access_token.typ_of(authorization), now)
    has_id_token = authorization.user is not None and "openid" in authorization.scope and "id_token" in wanted
    refresh_text, family = None, None
    if authorization.begins_family:
        refresh_text, family = new_family(authorization, services, now)
    id_alg = client.id_token_signed_response_alg
    return Prepared(
        authorization=authorization,
        now=now,
        grant_type=grant_type,
        access_signer=signer,
        id_signer=services.keys.signer(id_alg, id_token.TYP, now) if has_id_token else None,
        opaque_text=text,
        opaque=record,
        refresh_text=refresh_text,
        family=family,
    )


def finish(prepared: Prepared, services: Services, refresh_token: str | None = None) -> TokenResponse:
    """Signs and encodes with what was prepared, nothing else. `refresh_token` is what the transition left alive."""
    authorization, issuer = prepared.authorization, services.settings.issuer
    token = prepared.opaque_text or _signed_access_token(prepared, services)
    return TokenResponse(
        access_token=token,
        token_type="Bearer",
        expires_in=int(authorization.access_token_lifetime.total_seconds()),
        scope=str(authorization.scope),
        id_token=None if prepared.id_signer is None else _signed_id_token(prepared, services, issuer, token),
        refresh_token=refresh_token or prepared.refresh_text,
        issued_token_type=authorization.issued_token_type,
    )


def front_channel(prepared: Prepared, services: Services, code: str | None) -> list[tuple[str, str]]:
    """What leaves the authorization endpoint beside `code` (OIDC Core §3.2.2.5, §3.3.2.5)."""
    authorization, issuer = prepared.authorization, services.settings.issuer
    parameters: list[tuple[str, str]] = []
    token = prepared.opaque_text
    if prepared.access_signer is not None:
        token = _signed_access_token(prepared, services)
    if token is not None:
        seconds = int(authorization.access_token_lifetime.total_seconds())
        parameters = [
            ("access_token", token),
            ("token_type", "Bearer"),
            ("expires_in", str(seconds)),
            ("scope", str(authorization.scope)),
        ]
    if prepared.id_signer is not None:
        parameters.append(("id_token", _signed_id_token(prepared, services, issuer, token, code)))
    return parameters


def _signed_access_token(prepared: Prepared, services: Services) -> str:
    assert prepared.access_signer is not None
    authorization = prepared.authorization
    name = base64url.encode(services.entropy.random(16))
    facts = access_token.Facts(
        subject=_subject(authorization, services),
        issuer=services.settings.issuer,
        userinfo_endpoint=userinfo_endpoint(services.settings.issuer),
        jti=access_token.jti_of(
            authorization.grant_id,
            authorization.client.epoch,
            name,
            is_exchanged=authorization.act is not None,
        ),
        now=prepared.now,
        grant_type=prepared.grant_type,
        permissions=_permissions(authorization, services),
    )
    return prepared.access_signer.sign(access_token.claims(authorization, facts))


def _new_opaque(
    authorization: Authorization, services: Services, now: datetime
) -> tuple[str, OpaqueAccessToken]:
    """The text, and the row that says what a JWT would say."""
    expires_at = now + authorization.access_token_lifetime
    text, key = new_handle(services.entropy, "ik_at_", expires_at)
    api, permissions = authorization.api, _permissions(authorization, services)
    return text, OpaqueAccessToken(
        key=key,
        grant_id=authorization.grant_id,
        client_id=authorization.client.client_id,
        client_epoch=authorization.client.epoch,
        api=None if api is None else api.identifier,
        subject=_subject(authorization, services),
        scope=tuple(authorization.scope),
        issued_at=now,
        expires_at=expires_at,
        claims={
            **authorization.access_token_claims,
            **({} if permissions is None else {"permissions": permissions}),
            **({} if authorization.act is None else {"act": authorization.act}),
        },
    )


def _permissions(authorization: Authorization, services: Services) -> tuple[str, ...] | None:
    """For APIs that want to know everything the holder may do (R-SC5).

    Through somebody else's app it is what the person allowed it and no more: an API that decides by this claim
    would otherwise undo what was declined at the consent page.
    """
    api = authorization.api
    if api is None or not api.permissions_claim:
        return None
    roles = services.registry.snapshot.roles
    held = effective_scope.held(authorization.user, client=authorization.client, api=api, roles=roles)
    return tuple(held if authorization.client.is_first_party else held & authorization.scope)


def _signed_id_token(
    prepared: Prepared, services: Services, issuer: str, token: str | None, code: str | None = None
) -> str:
    assert prepared.id_signer is not None
    lifetime = timedelta(seconds=services.settings.lifetimes.id_token_s)
    return prepared.id_signer.sign(
        id_token.claims(
            prepared.authorization,
            subject=_subject(prepared.authorization, services),
            issuer=issuer,
            access_token=token,
            code=code,
            lifetime=lifetime,
            now=prepared.now,
        )
    )


def _subject(authorization: Authorization, services: Services) -> str:
    """The person as this client knows them; a client that acts for itself is its own subject (RFC 9068 §2.2)."""
    api, client = authorization.api, authorization.client
    if authorization.user is not None:
        return services.subjects.of(authorization.user, client)
    # Auth0's libraries know a machine by this ending.
    return (
        f"{client.client_id}@clients"
        if api is not None and api.token_profile == "auth0"
        else client.client_id
    )
