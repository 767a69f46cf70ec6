"""The pages as a browser, a screen reader and a tool that drives them find them."""

import re
import subprocess
import sys

import pytest
from msgspec import structs

from innkeeper.server.web.pages import wording
from innkeeper.server.web.pages.locale import LOCALES, direction
from innkeeper.server.web.pages.screens import ErrorPage, ScopeChoice, ScopeGroup, SignInPage
from innkeeper.server.web.pages.scripts import FORM_POST, WEB_MESSAGE
from innkeeper.server.web.pages.view import describe_oidc_scope, render, static_url
from tests.unit.server.web.pages.examples import Drawn, a_consent, a_sign_in, an_error, every_page

EVERY_PAGE_IN_EVERY_LANGUAGE = [(name, locale) for name in every_page() for locale in LOCALES]


def drawn_page(name: str, locale: str = "en", *, dev: bool = False) -> Drawn:
    return Drawn(render(every_page()[name], locale=locale, dev=dev))


# --- what all pages share

SCRIPTS = {"form post": FORM_POST, "web message": WEB_MESSAGE}


@pytest.mark.parametrize(("name", "locale"), EVERY_PAGE_IN_EVERY_LANGUAGE)
def test_every_page_is_a_sound_document_in_its_language(name: str, locale: str) -> None:
    drawn = drawn_page(name, locale, dev=True)
    assert drawn.all("html") == [{"lang": locale, "dir": direction(locale)}]
    assert drawn.mismatches == []
    assert drawn.open == []
    ids = [attributes["id"] for _, attributes in drawn.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag in ("h1", "main", "footer", "title"):
        assert len(drawn.all(tag)) == 1, tag
    assert sum("autofocus" in attributes for _, attributes in drawn.elements) <= 1


@pytest.mark.parametrize(("name", "locale"), EVERY_PAGE_IN_EVERY_LANGUAGE)
def test_every_page_keeps_to_the_strictest_content_security_policy(name: str, locale: str) -> None:
    drawn = drawn_page(name, locale, dev=True)
    assert len(drawn.all("script")) == (name in SCRIPTS)
    for tag in ("style", "iframe", "object", "embed", "base"):
        assert drawn.all(tag) == [], tag
    for tag, attributes in drawn.elements:
        assert not [key for key in attributes if key == "style" or key.startswith("on")], tag
    loaded = [element["href"] for element in drawn.all("link")] + [image["src"] for image in drawn.all("img")]
    assert all(re.fullmatch(r"/static/[a-z]+\.(css|svg)\?v=[0-9a-f]{12}", url) for url in loaded)


@pytest.mark.parametrize(("name", "script"), SCRIPTS.items())
@pytest.mark.parametrize("dev", [True, False])
def test_a_page_with_a_script_has_the_one_that_its_policy_allows(name: str, script: str, dev: bool) -> None:
    html = render(every_page('"</script><script>x()')[name], locale="en", dev=dev)
    assert re.findall(r"<script.*?</script>", html, re.DOTALL) == [f"<script>{script}</script>"]


@pytest.mark.parametrize("name", every_page())
def test_every_page_tells_browsers_not_to_index_it_nor_to_leak_where_it_was(name: str) -> None:
    meta = {
        element["name"]: element["content"] for element in drawn_page(name).all("meta") if "name" in element
    }
    assert meta["robots"] == "noindex"
    assert meta["referrer"] == "no-referrer"
    assert meta["viewport"] == "width=device-width, initial-scale=1"


@pytest.mark.parametrize("name", every_page())
def test_every_field_has_a_label_and_every_description_exists(name: str) -> None:
    drawn = drawn_page(name)
    labelled = {label["for"] for label in drawn.all("label") if "for" in label}
    ids = {attributes["id"] for _, attributes in drawn.elements if "id" in attributes}
    for field in drawn.all("input"):
        assert field["type"] in ("hidden", "checkbox") or field["id"] in labelled
        assert set(field.get("aria-describedby", "").split()) <= ids


@pytest.mark.parametrize("name", every_page())
def test_only_a_development_server_says_that_it_is_one(name: str) -> None:
    sentence = "only this computer can reach it. Never put it on a network."
    assert sentence in drawn_page(name, dev=True).text
    assert sentence not in drawn_page(name, dev=False).text


@pytest.mark.parametrize("name", every_page())
def test_the_title_names_the_product(name: str) -> None:
    assert re.search(r"<title>.+ · Innkeeper</title>", render(every_page()[name], locale="en", dev=False))


def test_an_unknown_locale_is_drawn_in_english() -> None:
    assert drawn_page("home", "../../etc").all("html")[0]["lang"] == "en"


def test_a_static_file_that_does_not_exist_has_no_url() -> None:
    with pytest.raises(FileNotFoundError):
        static_url("missing.css")


def test_the_template_engine_is_loaded_with_the_first_page_only() -> None:
    program = (
        "import sys; from innkeeper.server.web.pages import view, locale, wording;"
        "assert 'jinja2' not in sys.modules and 'babel' not in sys.modules;"
        "from innkeeper.server.web.pages.screens import HomePage;"
        "view.render(HomePage(issuer='i', product_version='1', discovery_url='/'), locale='de', dev=False);"
        "assert 'jinja2' in sys.modules and 'babel' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)})


# --- sign-in


def test_the_sign_in_form_has_the_hooks_that_tools_rely_on() -> None:
    drawn = drawn_page("sign in")
    assert [field["name"] for field in drawn.all("input")] == ["interaction", "csrf", "username", "password"]
    username, password = drawn.by_id("username"), drawn.by_id("password")
    assert (username["autocomplete"], username["autocapitalize"], username["spellcheck"]) == (
        "username",
        "none",
        "false",
    )
    assert (password["type"], password["autocomplete"]) == ("password", "current-password")
    assert drawn.by_id("login-submit")["value"] == "sign_in"
    assert drawn.by_id("login-cancel")["value"] == "cancel"
    assert "formnovalidate" in drawn.by_id("login-cancel")
    assert {button["name"] for button in drawn.all("button")} == {"action"}
    assert drawn.all("form") == [{"method": "post", "action": "erin"}]


def test_enter_in_a_field_signs_in_because_the_first_button_is_the_default_one() -> None:
    assert [button["id"] for button in drawn_page("sign in").all("button")] == [
        "login-submit",
        "login-cancel",
    ]


def test_a_fresh_sign_in_has_no_problem_and_starts_in_the_first_field() -> None:
    drawn = Drawn(render(SignInPage(app_name="a", interaction="i", csrf="c"), locale="en", dev=False))
    assert "autofocus" in drawn.by_id("username")
    assert not [True for _, attributes in drawn.elements if {"role", "aria-invalid"} & set(attributes)]


@pytest.mark.parametrize("problem", ["wrong", "missing", "throttled"])
@pytest.mark.parametrize("locale", LOCALES)
def test_a_problem_is_announced_and_described_at_the_fields(problem: str, locale: str) -> None:
    page = SignInPage(app_name="a", interaction="i", csrf="c", username="erin", problem=problem)  # type: ignore[arg-type]
    drawn = Drawn(render(page, locale=locale, dev=False))
    assert drawn.by_id("problem")["role"] == "alert"
    for field in ("username", "password"):
        assert drawn.by_id(field)["aria-describedby"] == "problem"
        assert ("aria-invalid" in drawn.by_id(field)) == (problem in ("wrong", "missing"))
    assert "autofocus" in drawn.by_id("password")


def test_the_password_is_never_written_into_the_page() -> None:
    assert "value" not in drawn_page("sign in").by_id("password")


@pytest.mark.parametrize(
    ("locale", "minutes", "words"),
    [
        ("en", 1, "1 minute"),
        ("en", 15, "15 minutes"),
        ("de", 1, "1 Minute"),
        ("ar", 2, "دقيقتين"),
        ("ar", 15, "15 دقيقة"),
    ],
)
def test_waiting_time_is_a_duration_in_the_grammar_of_the_language(
    locale: str, minutes: int, words: str
) -> None:
    page = SignInPage(
        app_name="a", interaction="i", csrf="c", problem="throttled", retry_after_minutes=minutes
    )
    drawn = render(page, locale=locale, dev=False)
    assert f'<time datetime="PT{minutes}M">{words}</time>' in drawn


# --- consent


def test_the_consent_form_offers_each_scope_checked_and_tells_the_required_ones() -> None:
    drawn = drawn_page("consent")
    scopes = [field for field in drawn.all("input") if field["name"] == "scope"]
    assert [(field["type"], field["value"]) for field in scopes] == [
        ("hidden", "openid"),
        ("checkbox", "profile"),
        ("checkbox", "erin"),
        ("checkbox", "read:timesheets"),
        ("hidden", "erin"),
        ("checkbox", "offline_access"),
    ]
    assert all("checked" in field for field in scopes if field["type"] == "checkbox")


@pytest.mark.parametrize("name", ["consent", "confirmation"])
def test_allow_and_deny_are_two_buttons_of_one_form(name: str) -> None:
    drawn = drawn_page(name)
    assert drawn.by_id("consent-allow")["value"] == "allow"
    assert drawn.by_id("consent-deny")["value"] == "deny"
    assert {button["name"] for button in drawn.all("button")} == {"action"}


def test_the_consent_page_names_app_publisher_account_host_and_lasting_access() -> None:
    text = drawn_page("consent").text
    assert "External app" in text
    assert "asks for access to your account" in text
    assert "It is run by erin, not by us." in text
    assert "Signed in as erin" in text
    assert "Not you?" in text
    assert "Either way you go back to erin" in text
    assert "Keep access when you are away" in text


def test_a_confirmation_has_no_boxes_and_asks_whether_the_person_started_it() -> None:
    drawn = drawn_page("confirmation")
    assert [field for field in drawn.all("input") if field["name"] == "scope"] == []
    assert "Continue only if you started this yourself" in drawn.text
    assert "erin on this device wants to sign you in" in drawn.text


def test_a_hidden_override_in_an_app_name_is_neutralised_on_the_consent_page() -> None:
    drawn = render(a_consent("Pay\u202eckehc\u200b"), locale="en", dev=False)
    visible_part = re.sub(r'value="[^"]*"|action="[^"]*"', "", drawn)
    assert "\u202e" not in visible_part
    assert "\u200b" not in visible_part


def test_identity_scopes_are_described_in_words_and_others_are_not_known() -> None:
    assert describe_oidc_scope("email", str.upper) == "SEE YOUR E-MAIL ADDRESS"
    assert describe_oidc_scope("read:timesheets", str.upper) is None


def test_an_api_cannot_borrow_the_words_of_an_identity_scope() -> None:
    group = ScopeGroup(title="API", scopes=(ScopeChoice(value="email", description="Send mail as you"),))
    drawn = Drawn(render(structs.replace(a_consent(), groups=(group,)), locale="en", dev=False))
    assert "Send mail as you" in drawn.text
    assert "See your e-mail address" not in drawn.text


# --- errors and notices


def test_the_error_page_has_its_hook_and_an_error_id() -> None:
    drawn = drawn_page("error")
    assert drawn.all("body") == [{"id": "error-page"}]
    assert drawn.by_id("error-id")
    assert drawn.all("a")[0]["href"] == "/again"


def test_only_in_development_the_error_page_shows_cause_and_fix() -> None:
    page = ErrorPage(title="t", message="m", error_id="e", cause="the-cause", fix="the-fix")
    in_production = render(page, locale="en", dev=False)
    assert "the-cause" not in in_production
    assert "the-fix" not in in_production
    in_development = render(page, locale="en", dev=True)
    assert "the-cause" in in_development
    assert "the-fix" in in_development


def test_known_sentences_are_translated_and_unknown_ones_shown_as_they_are() -> None:
    known = wording.LINK_DOES_NOT_WORK
    page = ErrorPage(title=known.title, message="Something 100% new", error_id="e")
    text = Drawn(render(page, locale="de", dev=False)).text
    assert "Dieser Anmeldelink funktioniert nicht" in text
    assert "Something 100% new" in text


def test_an_error_without_a_way_back_offers_no_button() -> None:
    assert Drawn(render(an_error(restart_url=None), locale="en", dev=True)).all("a") == []


def test_wrong_details_read_the_same_whoever_tried() -> None:
    one = render(a_sign_in("erin"), locale="en", dev=False).replace("erin", "X")
    other = render(a_sign_in("nobody"), locale="en", dev=False).replace("nobody", "X")
    assert one == other
