"""One well-filled example of each page, and the means to read what was drawn."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from innkeeper.server.web.pages.screens import (
    ConsentPage,
    DeviceCodePage,
    DeviceConfirmPage,
    ErrorPage,
    FormPostPage,
    HomePage,
    Link,
    NoticePage,
    ScopeChoice,
    ScopeGroup,
    Screen,
    SelectAccountPage,
    SetupPage,
    SignedOutPage,
    SignInPage,
    SignOutPage,
    WebMessagePage,
)

VOID: Final = frozenset({"meta", "link", "img", "input", "br", "hr"})


def a_sign_in(text: str = "erin") -> SignInPage:
    return SignInPage(
        app_name=text, interaction=text, csrf=text, username=text, problem="wrong", form_action=text
    )


def a_choice(text: str = "erin") -> SelectAccountPage:
    return SelectAccountPage(
        app_name=text,
        account_name=text,
        account_username=text,
        interaction=text,
        csrf=text,
        form_action=text,
    )


def a_consent(text: str = "erin", *, confirm_only: bool = False) -> ConsentPage:
    identity = ScopeGroup(
        title=None,
        scopes=(
            ScopeChoice(value="openid", required=True),
            ScopeChoice(value="profile"),
            ScopeChoice(value=text, description=text),
        ),
    )
    api = ScopeGroup(
        title=text,
        scopes=(
            ScopeChoice(value="read:timesheets", description=text),
            ScopeChoice(value=text, description=text, required=True),
        ),
    )
    return ConsentPage(
        app_name=text,
        is_third_party=True,
        publisher=text,
        redirect_host=text,
        account_name=text,
        account_username=text,
        groups=(identity, api),
        offline=True,
        interaction=text,
        csrf=text,
        switch_account_url="/switch",
        confirm_only=confirm_only,
        form_action=text,
    )


def an_error(text: str = "erin", *, restart_url: str | None = "/again") -> ErrorPage:
    return ErrorPage(title=text, message=text, error_id=text, cause=text, fix=text, restart_url=restart_url)


def a_sign_out(text: str = "erin") -> SignOutPage:
    return SignOutPage(
        app_name=text,
        redirect_host=text,
        account_name=text,
        account_username=text,
        request=text,
        csrf=text,
        form_action=text,
    )


def every_page(text: str = "erin") -> dict[str, Screen]:
    """Each page with all its parts showing and `text` in every field that holds words."""
    return {
        "sign in": a_sign_in(text),
        "account": a_choice(text),
        "consent": a_consent(text),
        "confirmation": a_consent(text, confirm_only=True),
        "device code": DeviceCodePage(csrf=text, user_code=text, problem="wrong", form_action=text),
        "device question": DeviceConfirmPage(
            app_name=text,
            is_third_party=True,
            publisher=text,
            user_code=text,
            address=text,
            account_name=text,
            account_username=text,
            interaction=text,
            csrf=text,
            switch_account_url="/switch",
            form_action=text,
        ),
        "error": an_error(text),
        "sign out": a_sign_out(text),
        "signed out": SignedOutPage(),
        "set-up": SetupPage(token=text, csrf=text, username=text, email=text, problem=text, form_action=text),
        "form post": FormPostPage(app_name=text, action=text, fields=(("code", text), ("state", text))),
        "web message": WebMessagePage(app_name=text, origin=text, fields=(("code", text), ("state", text))),
        "notice": NoticePage(title=text, message=text, links=(Link(text=text, url="/"),)),
        "home": HomePage(
            issuer=text, product_version=text, discovery_url="/.well-known/openid-configuration"
        ),
    }


class Drawn(HTMLParser):
    """What a browser would build from a page: its elements with attributes, in order, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.mismatches: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if len({name for name, _ in attrs}) != len(attrs):
            self.mismatches.append(f"<{tag}> repeats an attribute")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mismatches.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def by_id(self, wanted: str) -> dict[str, str]:
        (found,) = [attributes for _, attributes in self.elements if attributes.get("id") == wanted]
        return found

    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and attribute names without their values: what an injection would change."""
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]
