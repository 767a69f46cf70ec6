"""A screen as an HTTP answer, with its Content-Security-Policy."""

from collections.abc import Sequence
from typing import Final

import msgspec

from innkeeper.server.flows.services import Services
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.locale import choose
from innkeeper.server.web.pages.screens import Screen
from innkeeper.server.web.pages.view import render

_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
_NO_STORE: Final = (b"cache-control", b"no-store")
_FRAME: Final = (b"x-frame-options", b"DENY")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the policies of our pages: sources as they stand in the header."""

    form_action: str = "'self'"
    script: str | None = None
    framed_by: str = "'none'"


def html(
    screen: Screen,
    request: Request,
    services: Services,
    *,
    status: int = 200,
    ui_locales: str | None = None,
    leads_to: Sequence[str] = (),
    policy: Policy | None = None,
) -> Response:
    """`leads_to`: redirect URIs that a form of this page may end at. `policy`: for the pages that need another.

    Browsers apply form-action to the whole chain of redirects after a form, the client's own further redirects
    included, so the scheme is allowed rather than one host.
    """
    locale = choose(ui_locales, request.header(b"accept-language"))
    body = render(screen, locale=locale, dev=services.settings.dev).encode()
    policy = policy or Policy(form_action=" ".join(["'self'", *_schemes(leads_to)]))
    headers = (_HTML, _NO_STORE, (b"content-language", locale.encode()), _csp(policy))
    # A page that may be framed at all says by whom in its policy; this older header knows only nobody.
    unframed = (_FRAME,) if policy.framed_by == "'none'" else ()
    return Response(status=status, headers=(*headers, *unframed), body=body)


def _schemes(leads_to: Sequence[str]) -> list[str]:
    return sorted({uri.partition(":")[0] + ":" for uri in leads_to})


def _csp(policy: Policy) -> tuple[bytes, bytes]:
    script = "" if policy.script is None else f"script-src {policy.script}; "
    text = (
        f"default-src 'none'; {script}style-src 'self'; img-src 'self'; "
        f"form-action {policy.form_action}; base-uri 'none'; frame-ancestors {policy.framed_by}"
    )
    return b"content-security-policy", text.encode("ascii")
