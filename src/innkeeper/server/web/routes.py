"""The URL table of the whole product."""

from typing import Final

from innkeeper.server.web.http import Endpoint
from innkeeper.server.web.pages import (
    consent,
    notices,
    select_account,
    setup,
    sign_in,
    sign_out,
    static_files,
)
from innkeeper.server.web.pages import device as device_pages
from innkeeper.server.web.wire import (
    authorize,
    device,
    end_session,
    health,
    introspect,
    metadata,
    revoke,
    token,
    userinfo,
)

ROUTES: Final[dict[tuple[str, str], Endpoint]] = {
    # for machines
    ("GET", "/.well-known/openid-configuration"): metadata.document,
    ("GET", "/.well-known/oauth-authorization-server"): metadata.document,
    ("GET", "/.well-known/jwks.json"): metadata.jwks,
    ("OPTIONS", "/.well-known/openid-configuration"): metadata.options,
    ("OPTIONS", "/.well-known/oauth-authorization-server"): metadata.options,
    ("OPTIONS", "/.well-known/jwks.json"): metadata.options,
    ("POST", "/oauth/token"): token.token,
    ("OPTIONS", "/oauth/token"): token.options,
    ("POST", "/oauth/device/code"): device.device_code,
    ("OPTIONS", "/oauth/device/code"): device.options,
    ("POST", "/oauth/revoke"): revoke.revoke,
    ("OPTIONS", "/oauth/revoke"): revoke.options,
    ("POST", "/oauth/introspect"): introspect.introspect,
    ("GET", "/userinfo"): userinfo.userinfo,
    ("POST", "/userinfo"): userinfo.userinfo,
    ("OPTIONS", "/userinfo"): userinfo.options,
    ("GET", "/healthz"): health.healthz,
    ("GET", "/readyz"): health.readyz,
    # the authorization endpoint: machines write the link, people follow it
    ("GET", "/authorize"): authorize.authorize,
    ("POST", "/authorize"): authorize.post,
    ("GET", "/oidc/logout"): end_session.end_session,
    ("POST", "/oidc/logout"): end_session.post,
    # for people
    ("GET", "/"): notices.home,
    ("GET", "/sign-in"): sign_in.show,
    ("POST", "/sign-in"): sign_in.submit,
    ("GET", "/select-account"): select_account.show,
    ("POST", "/select-account"): select_account.submit,
    ("GET", "/consent"): consent.show,
    ("POST", "/consent"): consent.submit,
    ("GET", "/sign-out"): sign_out.show,
    ("POST", "/sign-out"): sign_out.submit,
    ("GET", "/device"): device_pages.show,
    ("POST", "/device"): device_pages.submit,
    ("GET", "/device/confirm"): device_pages.ask,
    ("POST", "/device/confirm"): device_pages.answer,
    ("GET", "/device/connected"): device_pages.connected,
    ("GET", "/device/refused"): device_pages.refused,
    ("GET", "/setup"): setup.show,
    ("POST", "/setup"): setup.submit,
    **{("GET", path): static_files.file for path in static_files.paths()},
}
