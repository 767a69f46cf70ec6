"""Draws a screen as HTML: Jinja templates, escaped, in the person's language.

Jinja is imported with the first page, not with the server: machines that only fetch tokens never pay for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from innkeeper.server.web.pages import plain_text, scripts
from innkeeper.server.web.pages.locale import LOCALES, direction
from innkeeper.server.web.pages.screens import (
    ConsentPage,
    DeviceCodePage,
    DeviceConfirmPage,
    ErrorPage,
    FormPostPage,
    HomePage,
    NoticePage,
    Screen,
    SelectAccountPage,
    SetupPage,
    SignedOutPage,
    SignInPage,
    SignOutPage,
    WebMessagePage,
)
from innkeeper.server.web.pages.wording import marked

if TYPE_CHECKING:
    from jinja2 import Environment

_WEB: Final = Path(__file__).resolve().parent.parent
STATIC_FOLDER: Final = _WEB / "static"
STATIC_PATH: Final = "/static/"

_TEMPLATES: Final[dict[type[Screen], str]] = {
    SignInPage: "sign_in.html",
    SelectAccountPage: "select_account.html",
    ConsentPage: "consent.html",
    SignOutPage: "sign_out.html",
    SignedOutPage: "signed_out.html",
    DeviceCodePage: "device_code.html",
    DeviceConfirmPage: "device_confirm.html",
    ErrorPage: "error.html",
    FormPostPage: "form_post.html",
    WebMessagePage: "web_message.html",
    SetupPage: "setup.html",
    NoticePage: "notice.html",
    HomePage: "home.html",
}

_OIDC_SCOPES: Final = {
    "openid": marked("Know who you are"),
    "profile": marked("See your name and profile"),
    "email": marked("See your e-mail address"),
    "phone": marked("See your phone number"),
    "address": marked("See your postal address"),
    "offline_access": marked("Keep access when you are away"),
}


def render(page: Screen, *, locale: str, dev: bool) -> str:
    """The whole HTML document. An unknown locale is drawn in English."""
    language = locale if locale in LOCALES else LOCALES[0]
    template = _environment(language).get_template(_TEMPLATES[type(page)])
    return template.render(page=page, dev=dev)


@cache
def static_url(name: str) -> str:
    """The path of a file in `static/` with a hash of its content, so that it may be cached for a year."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()
    return f"{STATIC_PATH}{name}?v={digest[:12]}"


def describe_oidc_scope(scope: str, gettext: Callable[[str], str]) -> str | None:
    """What an identity scope means to a person (OpenID Connect Core §5.4); None for a scope of an API."""
    words = _OIDC_SCOPES.get(scope)
    return None if words is None else gettext(words)


@cache
def _translations(locale: str) -> NullTranslations:
    if locale == LOCALES[0]:
        return NullTranslations()
    with (_WEB / "locales" / locale / "LC_MESSAGES" / "innkeeper.mo").open("rb") as compiled:
        return GNUTranslations(compiled)


@cache
def _environment(locale: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations = _translations(locale)
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]

    def translated(message: str) -> str:
        # An empty key would answer with the catalogue's own header.
        return translations.gettext(message) if message else ""

    environment.filters.update(
        visible=plain_text.visible,
        plain=plain_text.plain,
        host=plain_text.host,
        link_target=plain_text.link_target,
        translated=translated,
    )
    environment.globals.update(
        locale=locale,
        direction=direction(locale),
        static_url=static_url,
        # Constants of ours. What a request says never comes near them.
        scripts={"form_post": Markup(scripts.FORM_POST), "web_message": Markup(scripts.WEB_MESSAGE)},  # noqa: S704
        describe_oidc_scope=lambda scope: describe_oidc_scope(scope, translations.gettext),
    )
    return environment
