"""What each page shows, as frozen records: all that a handler builds, all that a template reads."""

from typing import Literal

import msgspec


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """A page before it is drawn; its class names the template."""


class SignInPage(Screen, frozen=True, kw_only=True):
    """The sign-in form. `problem="wrong"` reads the same for an unknown person and a wrong password."""

    app_name: str
    interaction: str
    csrf: str
    username: str = ""
    problem: Literal["wrong", "missing", "throttled"] | None = None
    retry_after_minutes: int | None = None
    form_action: str = "/sign-in"


class SelectAccountPage(Screen, frozen=True, kw_only=True):
    """Who is signed in, and whether the app means them."""

    app_name: str
    account_name: str
    account_username: str
    interaction: str
    csrf: str
    form_action: str = "/select-account"


class ScopeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One permission that is asked for; a `required` one is told, not offered as a box."""

    value: str
    description: str = ""
    required: bool = False


class ScopeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The permissions of one API; `title=None` holds the identity scopes (OpenID Connect Core §5.4)."""

    title: str | None
    scopes: tuple[ScopeChoice, ...]


class ConsentPage(Screen, frozen=True, kw_only=True):
    """The consent form. With `confirm_only` it has no boxes and asks "was it you?" (RFC 8252 §8.6)."""

    app_name: str
    is_third_party: bool
    publisher: str | None
    redirect_host: str
    account_name: str
    account_username: str
    groups: tuple[ScopeGroup, ...]
    offline: bool
    interaction: str
    csrf: str
    switch_account_url: str | None = None
    confirm_only: bool = False
    user_code: str | None = None
    """What a device shows that waits for the answer: then nobody goes back anywhere from here."""
    form_action: str = "/consent"


class SignOutPage(Screen, frozen=True, kw_only=True):
    """Asks whether to sign out. `app_name` is None when no app asked for it."""

    app_name: str | None
    redirect_host: str | None
    account_name: str
    account_username: str
    request: str
    csrf: str
    form_action: str = "/sign-out"


class SignedOutPage(Screen, frozen=True, kw_only=True):
    """Nobody is signed in in this browser."""


class DeviceCodePage(Screen, frozen=True, kw_only=True):
    """The field for the code that a device shows."""

    csrf: str
    user_code: str = ""
    problem: Literal["wrong", "missing", "throttled"] | None = None
    retry_after_minutes: int | None = None
    form_action: str = "/device"


class DeviceConfirmPage(Screen, frozen=True, kw_only=True):
    """Did you start this? The code again, who asks and from where; who would be signed in, if it is known yet."""

    app_name: str
    is_third_party: bool
    publisher: str | None
    user_code: str
    address: str
    account_name: str | None
    account_username: str
    interaction: str
    csrf: str
    switch_account_url: str | None = None
    form_action: str = "/device/confirm"


class ErrorPage(Screen, frozen=True, kw_only=True):
    """Title and message speak to a person; `cause` and `fix` speak to a developer and appear in dev only."""

    title: str
    message: str
    error_id: str
    cause: str | None = None
    fix: str | None = None
    restart_url: str | None = None
    sign_out_url: str | None = None


class FormPostPage(Screen, frozen=True, kw_only=True):
    """An authorization response on its way to the app's server; a script presses the button."""

    app_name: str
    action: str
    fields: tuple[tuple[str, str], ...]


class WebMessagePage(Screen, frozen=True, kw_only=True):
    """An authorization response for the window that asked, if it shows `origin`."""

    app_name: str
    origin: str
    fields: tuple[tuple[str, str], ...]


class SetupPage(Screen, frozen=True, kw_only=True):
    """The first administrator's form, reached by the one-time link."""

    token: str
    csrf: str
    username: str = ""
    email: str = ""
    problem: str | None = None
    form_action: str = "/setup"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link with its words. Anything but http, https or a path on this server is not drawn (XS-05)."""

    text: str
    url: str


class NoticePage(Screen, frozen=True, kw_only=True):
    """One message and where to go next."""

    title: str
    message: str
    links: tuple[Link, ...] = ()


class HomePage(Screen, frozen=True, kw_only=True):
    """The page at `/`: this is an issuer, it runs, here is its metadata."""

    issuer: str
    product_version: str
    discovery_url: str
