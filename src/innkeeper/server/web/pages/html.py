"""A screen as an HTTP answer, with its Content-Security-Policy."""

from collections.abc import Sequence
from typing import Final

from innkeeper.server.flows.services import Services
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.locale import choose
from innkeeper.server.web.pages.screens import Screen
from innkeeper.server.web.pages.view import render

_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
_NO_STORE: Final = (b"cache-control", b"no-store")
_FRAME: Final = (b"x-frame-options", b"DENY")


def html(
    screen: Screen,
    request: Request,
    services: Services,
    *,
    status: int = 200,
    ui_locales: str | None = None,
    leads_to: Sequence[str] = (),
) -> Response:
    """`leads_to`: redirect URIs that a form of this page may end at.

    Browsers apply form-action to the whole chain of redirects after a form, the client's own further redirects
    included, so the scheme is allowed rather than one host.
    """
    locale = choose(ui_locales, request.header(b"accept-language"))
    body = render(screen, locale=locale, dev=services.settings.dev).encode()
    language = (b"content-language", locale.encode())
    return Response(status=status, headers=(_HTML, _NO_STORE, _FRAME, language, _csp(leads_to)), body=body)


def _csp(leads_to: Sequence[str]) -> tuple[bytes, bytes]:
    schemes = sorted({uri.partition(":")[0] + ":" for uri in leads_to})
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        f"form-action {' '.join([chr(39) + 'self' + chr(39), *schemes])}; base-uri 'none'; frame-ancestors 'none'"
    )
    return b"content-security-policy", policy.encode("ascii")
