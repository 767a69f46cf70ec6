"""What is risky in how apps, APIs and the server are set (RFC 9700): findings, each with a severity and a remedy."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal

import msgspec

from innkeeper.oauth import redirect_uri
from innkeeper.server.config import Settings
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ApiIdentifier

Severity = Literal["critical", "warning", "notice"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning", "notice")
PASSWORD_GRANTS: Final = frozenset({"password", "http://auth0.com/oauth/grant-type/password-realm"})
LONG_ACCESS: Final = timedelta(hours=24)
LONG_REFRESH: Final = timedelta(days=365)
LONG_REFRESH_IN_BROWSER: Final = timedelta(days=1)
LONG_SESSION: Final = timedelta(days=90)
Apis = Mapping[ApiIdentifier, Api]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`check` is stable; `subject` is an app, an API or a setting."""

    severity: Severity
    check: str
    subject: str
    text: str


def findings(clients: Iterable[Client], apis: Apis, settings: Settings) -> list[Finding]:
    """The worst first. What is switched off is looked at too: it may be switched on again."""
    found = list(_of_settings(settings))
    for api in apis.values():
        found += _of_api(api)
    for client in clients:
        found += (finding for check in CLIENT_CHECKS for finding in check(client, settings))
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.subject, one.check))


def _of_settings(settings: Settings) -> Iterator[Finding]:
    legacy = settings.legacy
    switches: tuple[tuple[str, bool], ...] = (
        ("password", legacy.password),
        ("implicit", legacy.implicit),
        ("front_channel_access_tokens", legacy.front_channel_access_tokens),
    )
    for name, is_on in switches:
        if is_on:
            text = "A flow that new apps should not use is switched on. Switch it off when the last app has left it."
            yield Finding(severity="warning", check="legacy_flow", subject=f"legacy.{name}", text=text)
    if timedelta(seconds=settings.lifetimes.session_absolute_s) > LONG_SESSION:
        text = f"People stay signed in for more than {LONG_SESSION.days} days."
        yield Finding(
            severity="warning", check="long_session", subject="lifetimes.session_absolute_s", text=text
        )


def _of_api(api: Api) -> Iterator[Finding]:
    is_long = api.access_token_lifetime > LONG_ACCESS
    if is_long and api.token_format == "jwt":
        text = "Its access tokens live for more than a day, and a JWT that was taken works until its end."
        yield Finding(severity="critical", check="long_access_token", subject=api.identifier, text=text)
    elif is_long:
        text = "Its access tokens live for more than a day."
        yield Finding(severity="warning", check="long_access_token", subject=api.identifier, text=text)


def _pkce(client: Client, _settings: Settings) -> Iterator[Finding]:
    if "authorization_code" in client.grant_types and not client.require_pkce:
        yield _about(
            client,
            "critical",
            "no_pkce",
            "Codes without PKCE: one that is taken or slipped in works. --pkce.",
        )


def _passwords(client: Client, settings: Settings) -> Iterator[Finding]:
    if PASSWORD_GRANTS.isdisjoint(client.grant_types):
        return
    if client.is_public:
        text = "It takes people's passwords and nobody can tell whether it is that app at all."
        yield _about(client, "critical", "public_password_grant", text)
    else:
        text = "It takes people's passwords itself: no second factor, no single sign-on (RFC 9700 §2.4)."
        yield _about(client, "critical" if settings.legacy.password else "warning", "password_grant", text)


def _front_channel(client: Client, settings: Settings) -> Iterator[Finding]:
    if "implicit" not in client.grant_types:
        return
    if settings.legacy.front_channel_access_tokens:
        text = "It may get access tokens in the browser's address bar, where history and scripts see them."
        yield _about(client, "critical", "front_channel_access_token", text)
    else:
        text = "It may sign people in without a code; authorization_code with PKCE does the same and more."
        yield _about(client, "warning", "implicit", text)


def _callbacks(client: Client, _settings: Settings) -> Iterator[Finding]:
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        if "*" in uri:
            yield _about(client, "critical", "wildcard", f"{uri} stands for addresses nobody has looked at.")
        elif redirect_uri.platform(uri) == "private_use":
            text = (
                f"Any app of a device can claim the scheme of {uri}. A claimed https address cannot be taken."
            )
            yield _about(client, "warning", "custom_scheme", text)
        elif redirect_uri.platform(uri) == "loopback" and client.type != "native":
            text = f"{uri} is on the machine of whoever signs in: for development only."
            yield _about(client, "notice", "loopback_callback", text)


def _refresh(client: Client, _settings: Settings) -> Iterator[Finding]:
    if "refresh_token" not in client.grant_types:
        return
    policy = client.refresh
    if client.type == "spa" and policy.absolute > LONG_REFRESH_IN_BROWSER:
        text = "Its refresh tokens live for more than a day, in a browser, where any script on its pages finds them."
        yield _about(client, "warning", "long_refresh_token", text)
    elif policy.absolute > LONG_REFRESH:
        yield _about(client, "warning", "long_refresh_token", "Its refresh tokens live for more than a year.")
    if client.is_public and not policy.rotation:
        text = (
            "Its refresh tokens do not rotate, so that a copied one is never found out. --refresh-rotation."
        )
        yield _about(client, "critical", "no_rotation", text)


def _authentication(client: Client, _settings: Settings) -> Iterator[Finding]:
    if client.accepts_endpoint_audience:
        text = (
            "Its assertions may name an endpoint: one made for another server may work here. Name the issuer."
        )
        yield _about(client, "warning", "endpoint_audience", text)
    if client.token_endpoint_auth_method == "client_secret_jwt":
        text = "HS256: this server has to keep the secret itself, not only its digest. private_key_jwt needs none."
        yield _about(client, "notice", "shared_secret_signature", text)


def _trust(client: Client, settings: Settings) -> Iterator[Finding]:
    if client.trusts_forwarded_for:
        text = "It says which address a password came from, and guesses are counted by that."
        yield _about(client, "notice", "trusted_forwarded_for", text)
    if settings.is_secure and any(origin.startswith("http://") for origin in client.allowed_origins):
        text = "A page that came over plain http may call the token endpoint."
        yield _about(client, "warning", "insecure_origin", text)


def _about(client: Client, severity: Severity, check: str, text: str) -> Finding:
    return Finding(severity=severity, check=check, subject=client.client_id, text=text)


CLIENT_CHECKS: Final[tuple[Callable[[Client, Settings], Iterator[Finding]], ...]] = (
    _pkce,
    _passwords,
    _front_channel,
    _callbacks,
    _refresh,
    _authentication,
    _trust,
)
